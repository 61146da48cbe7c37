// What every chart that is fed by the stream shares: the library, colours of the theme, axes, thinning. Put before a component's own code.

const MAX_POINTS = 1200; // drawn per curve, about two a pixel; beyond it the curve is thinned to half, keeping its envelope
const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;"); // Plotly reads its texts as HTML, and names come from folders

// One copy for all components; not the one that Streamlit may have brought for charts of its own, which is another version.
function loadPlotly() {
  window.cnnStudioPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("api/plotly.min.js", appRoot()).href;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => { window.cnnStudioPlotly = undefined; script.remove(); reject(new Error("plotly")); };
    document.head.append(script);
  });
  return window.cnnStudioPlotly;
}

// Pages live one level below the app's root: /train, or /base/train behind a proxy.
function appRoot() {
  return new URL(".", window.location.href);
}

// The lowest and highest point of each of limit/2 equal stretches of x, in order: the same envelope with fewer points.
export function thin(x, y, limit) {
  const buckets = limit / 2, low = x[0], width = (x[x.length - 1] - low + 1) / buckets;
  const kept = [];
  for (let from = 0, to; from < x.length; from = to) {
    const bucket = Math.floor((x[from] - low) / width);
    let least = from, most = from;
    for (to = from + 1; to < x.length && Math.floor((x[to] - low) / width) === bucket; to++) {
      if (y[to] < y[least]) least = to;
      if (y[to] > y[most]) most = to;
    }
    kept.push(Math.min(least, most));
    if (least !== most) kept.push(Math.max(least, most));
  }
  return [kept.map((i) => x[i]), kept.map((i) => y[i])];
}

function coloursOf(element) {
  const style = getComputedStyle(element), read = (name) => style.getPropertyValue(name).trim();
  const all = read("--st-chart-categorical-colors").split(",").map((colour) => colour.trim()), [training, validation, best] = all;
  return { all, text: read("--st-text-color"), grid: read("--st-border-color"), font: read("--st-font"), training, validation, best };
}

function chartLayout(c, across, tickformat) {
  const axis = { gridcolor: c.grid, linecolor: c.grid, zeroline: false, color: c.text, automargin: true };
  return {
    margin: { l: 48, r: 12, t: 8, b: 40 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: c.font, color: c.text, size: 12 }, hovermode: "closest",
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", itemwidth: 30 },
    xaxis: { ...axis, title: { text: across }, rangemode: "tozero" },
    yaxis: { ...axis, rangemode: "tozero", tickformat },
  };
}
