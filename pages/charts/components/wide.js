// Parallel coordinates, which need room: never narrower than they can be read, moved sideways where the page is narrower. In: a Plotly
// figure, its least width and its description. It keeps its node when the figure changes.

const FAINTEST = 4; // of the theme's colours from least to most: those before can hardly be told from the page
const charts = new WeakMap();

class Wide {
  constructor(element) {
    this.element = element;
    [this.frame, this.chart, this.said] = [".wide-frame", ".wide-chart", ".wide-note"].map((name) => element.querySelector(name));
    this.sizes = new ResizeObserver(() => this.drawSoon());
    this.sizes.observe(this.frame);
    this.themeWatch = setInterval(() => JSON.stringify(coloursOf(element)) !== this.drawnColours && this.drawSoon(), 1000);
  }

  show(data) {
    const given = JSON.stringify(data);
    if (given === this.given) return;
    [this.given, this.data] = [given, data];
    for (const part of [this.frame, this.chart]) part.setAttribute("aria-label", data.alt);
    this.drawSoon();
  }

  drawSoon() {
    this.timer ??= setTimeout(async () => {
      await this.draw(await loadPlotly()).catch((error) => console.error(error));
      this.timer = undefined;
    }, 0);
  }

  draw(Plotly) {
    const room = this.frame.clientWidth, width = Math.max(room, this.data.least), c = coloursOf(this.element);
    const drawn = JSON.stringify([this.given, width, c]);
    this.said.hidden = width <= room;
    if (!room || drawn === this.drawn) return Promise.resolve();
    [this.drawn, this.drawnColours] = [drawn, JSON.stringify(c)];
    const { data, layout } = structuredClone(this.data.figure);
    const ramp = getComputedStyle(this.element).getPropertyValue("--st-chart-sequential-colors").split(",").slice(FAINTEST);
    for (const trace of data) {
      trace.line.colorscale = ramp.map((colour, place) => [place / (ramp.length - 1), colour.trim()]);
      Object.assign(trace, { labelfont: { color: c.text, size: 12 }, tickfont: { color: c.text, size: 11 }, rangefont: { color: "rgba(0,0,0,0)", size: 1 } });
    }
    const look = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: c.font, color: c.text, size: 12 }, template: {} };
    return Plotly.react(this.chart, data, { ...layout, ...look, width, uirevision: "kept" }, { ...CONFIG, responsive: false });
  }

  close() {
    this.sizes.disconnect();
    clearTimeout(this.timer);
    clearInterval(this.themeWatch);
    if (window.Plotly) window.Plotly.purge(this.chart);
  }
}

export default function (component) {
  const element = component.parentElement.querySelector(".wide");
  let chart = charts.get(element);
  if (!chart) charts.set(element, (chart = new Wide(element)));
  chart.show(component.data);
  return () => {
    setTimeout(() => { if (!element.isConnected) { chart.close(); charts.delete(element); } }, 0);
  };
}
