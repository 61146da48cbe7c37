// Parallel coordinates with a minimum width: on a narrower page they scroll horizontally. In: a Plotly figure, its minimum width in pixels and its
// description. The chart's node remains when the figure changes.

import { mount } from "../shared/component.js";
import { CONFIG, ChartView, NO_COLOUR, baseLayout } from "../shared/plotly.js";

const FAINTEST = 4; // index in the theme's sequential colours: those before it hardly differ from the background

class WideChart extends ChartView {
  constructor(element) {
    super(element, [element.querySelector(".wide-chart")]);
    [this.chart] = this.charts;
    [this.frame, this.hint] = [".wide-frame", ".wide-note"].map((name) => element.querySelector(name));
    this.sizes = new ResizeObserver(() => this.drawSoon());
    this.sizes.observe(this.frame);
  }

  get ownsWidth() {
    return true;
  }

  show(data) {
    const content = JSON.stringify(data);
    if (content === this.content) return;
    Object.assign(this, { data, content });
    for (const node of [this.frame, this.chart]) node.setAttribute("aria-label", data.alt);
    this.drawSoon();
  }

  draw(Plotly, theme) {
    const room = this.frame.clientWidth, width = Math.max(room, this.data.least);
    const drawn = JSON.stringify([this.content, width, theme]);
    this.hint.hidden = width <= room;
    if (!room || drawn === this.drawn) return undefined;
    this.drawn = drawn;
    const { data, layout } = structuredClone(this.data.figure), colours = theme.sequential.slice(FAINTEST);
    for (const trace of data) {
      trace.line.colorscale = colours.map((colour, place) => [place / (colours.length - 1), colour]);
      Object.assign(trace, { labelfont: { color: theme.text, size: 12 }, tickfont: { color: theme.text, size: 11 }, rangefont: { color: NO_COLOUR, size: 1 } });
    }
    return Plotly.react(this.chart, data, { ...layout, ...baseLayout(theme), template: {}, width, uirevision: "constant" }, { ...CONFIG, responsive: false });
  }

  close() {
    this.sizes.disconnect();
    super.close();
  }
}

export default mount(".wide", (element) => new WideChart(element));
