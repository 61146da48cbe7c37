// Plotly for the components: the library, the layout of their charts, and a view that draws them.

import { readTheme, watchTheme } from "./theme.js";

export const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };
export const NO_COLOUR = "rgba(0,0,0,0)";
// Plotly reads its texts as HTML, and names come from folders.
export const escapeHtml = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

// Return the address of the app: pages are one level below it, /train, or /base/train behind a proxy.
export function appRoot() {
  return new URL(".", window.location.href);
}

// Return a promise of the library. There is one copy for all components; not the one that Streamlit may have loaded for its own charts, which is
// of another version.
export function loadPlotly() {
  window.cnnStudioPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("api/plotly.min.js", appRoot()).href;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => { window.cnnStudioPlotly = undefined; script.remove(); reject(new Error("The chart library could not be loaded.")); };
    document.head.append(script);
  });
  return window.cnnStudioPlotly;
}

// Return the layout settings of every chart.
export function baseLayout(theme) {
  return { paper_bgcolor: NO_COLOUR, plot_bgcolor: NO_COLOUR, font: { family: theme.font, color: theme.text, size: 12 } };
}

// Return the layout of a chart of curves. `title`: that of the x axis.
export function curveLayout(theme, title, tickformat) {
  const axis = { gridcolor: theme.grid, linecolor: theme.grid, zeroline: false, color: theme.text, automargin: true };
  return {
    ...baseLayout(theme), margin: { l: 48, r: 12, t: 8, b: 40 }, hovermode: "closest",
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", itemwidth: 30 },
    xaxis: { ...axis, title: { text: title }, rangemode: "tozero" },
    yaxis: { ...axis, rangemode: "tozero", tickformat },
  };
}

// Keep an axis of fractions within 0 to 100%, with room for the markers at 100%: one point alone would get an axis up to twice its value.
export function fractionAxis(axis) {
  return { ...axis, range: [0, 1.02] };
}

// Hide the tick labels of a chart without points: Plotly would show arbitrary numbers along its axes.
export function hideTicksIfEmpty({ xaxis, yaxis }, traces) {
  const hasPoints = traces.some(({ x }) => x.length);
  for (const axis of [xaxis, yaxis]) axis.showticklabels = hasPoints;
}

// Whether a chart has a place on the page. Plotly would draw a hidden one 700 pixels wide.
export const isShown = (chart) => chart.clientWidth > 0;

// Charts that are drawn anew when their data or the theme change, and that fill their place. A view has `draw(Plotly, theme)`, which may wait; two
// drawings never overlap. A view with `ownsWidth` sets the width itself.
export class ChartView {
  constructor(element, charts) {
    Object.assign(this, { element, charts, drawings: Promise.resolve() });
    this.stopWatching = watchTheme(element, () => this.onTheme());
    this.places = new ResizeObserver((entries) => entries.forEach(({ target }) => this.fillPlace(target)));
    for (const chart of charts) this.places.observe(chart);
  }

  get ownsWidth() {
    return false;
  }

  // Plotly follows the window only. The place also changes with the sidebar, the scroll bar, and when a hidden chart is shown.
  fillPlace(chart) {
    const width = chart._fullLayout?.width;
    if (!this.ownsWidth && width && isShown(chart) && Math.abs(width - chart.clientWidth) >= 1) window.Plotly.Plots.resize(chart);
  }

  // Milliseconds until the next drawing may begin. Data that arrives until then is part of it.
  get pause() {
    return 0;
  }

  get hasData() {
    return true;
  }

  onTheme() {
    if (this.hasData) this.drawSoon();
  }

  onFailure(error) {
    reportError(error);
  }

  drawSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.drawNow();
    }, this.pause);
  }

  drawNow() {
    const draw = async () => this.draw(await loadPlotly(), readTheme(this.element));
    this.drawings = this.drawings.then(draw).catch((error) => this.onFailure(error));
    return this.drawings;
  }

  close() {
    clearTimeout(this.timer);
    this.stopWatching();
    this.places.disconnect();
    if (window.Plotly) for (const chart of this.charts) window.Plotly.purge(chart);
  }
}
