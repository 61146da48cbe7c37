// A further chart of the run that the page shows: one quantity by epoch, or the accuracy of each class. In: the run's id and the kind of chart. The
// points come from the live panel (see run_feed.js). Drawn while it is seen: in a tab that is not open it has no size.

import { ChartTable } from "../shared/chart_table.js";
import { mount } from "../shared/component.js";
import { epochAxis, toEpochs } from "../shared/epochs.js";
import { formatPercent } from "../shared/format.js";
import { CONFIG, ChartView, curveLayout, escapeHtml, fractionAxis } from "../shared/plotly.js";
import { follow } from "../shared/run_feed.js";

const PAUSE = 1000; // milliseconds between two drawings
const MOST_MARKERS = 100; // epochs up to which each has a marker
const MOST_CLASSES = 20; // the stream has the accuracies of this many classes
const TOO_MANY = "There are too many classes for this chart. Open the Evaluate page to see their accuracies.", BEFORE = "The accuracy of each class is known after the first epoch.";
const NO_CLASSES = "The accuracies of the classes were not recorded in this run.", NO_STEPS = "The curve begins with the first training step.", NEVER = "This run ended before its first training step.", TOO_EARLY = "This run ended within its first epoch.";
const percent = (value) => formatPercent(value), short = (value) => Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
const GAUGES = {
  learning_rate: { title: "learning rate", format: ".3~g", text: short }, images_per_second: { title: "images per second", format: ",.0f", text: short },
  gradient_norm: { title: "gradient norm", format: ".3~g", text: short }, memory: { title: "memory (bytes)", format: ".3~s", text: short },
  load: { title: "CPU or GPU use", format: ".0%", text: percent },
};

class RunChart extends ChartView {
  constructor(element) {
    super(element, [element.querySelector(".run-chart-figure")]);
    [this.chart] = this.charts;
    this.choice = element.querySelector("select");
    this.choice.onchange = () => { this.name(); this.drawn = undefined; this.drawNow(); this.table.update(); };
    this.table = new ChartTable(element.querySelector("details"), "Values of the chart", () => this.columns());
    this.visibility = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.history && this.drawSoon());
    this.visibility.observe(this.chart);
  }

  show({ run, kind }) {
    Object.assign(this, { run, kind });
    this.element.querySelector("label").hidden = kind !== "gauge";
    this.chart.dataset.chart = kind;
    this.name();
    this.ignore ??= follow(this);
  }

  // Name the chart for screen readers.
  name() {
    this.chart.setAttribute("aria-label", this.kind === "gauge" ? `${GAUGES[this.choice.value].title} by epoch` : "Validation accuracy of each class by epoch");
  }

  onHistory(history) {
    if (history.run !== this.run) return;
    this.history = history;
    this.table.update();
    this.drawSoon();
  }

  close() {
    this.ignore?.();
    this.visibility.disconnect();
    super.close();
  }

  get hasData() {
    return Boolean(this.history);
  }

  get pause() {
    return this.history.active ? PAUSE : 0;
  }

  onTheme() {
    this.drawn = undefined;
    super.onTheme();
  }

  get epochs() {
    return this.history.epochs.filter((epoch) => epoch.class_accuracy?.length);
  }

  get gauge() {
    return this.history.gauges[this.choice.value] ?? { x: [], y: [] };
  }

  // The values that the table shows.
  columns() {
    if (!this.history) return [["Epoch", []]];
    if (this.kind === "gauge") {
      const { title, text } = GAUGES[this.choice.value], { x, y } = this.gauge;
      return [["Epoch", toEpochs(x, this.history).map((epoch) => epoch.toFixed(2))], [title, y.map(text)]];
    }
    return [["Epoch", this.epochs.map((e) => String(e.epoch))], ...this.history.classes.map((name, at) => [name, this.epochs.map((e) => (e.class_accuracy[at] == null ? "–" : percent(e.class_accuracy[at])))])];
  }

  // Why there is nothing to draw; "" if there is something.
  get reason() {
    const { epochs, classes, active } = this.history;
    if (this.kind === "gauge" ? this.gauge.x.length : this.epochs.length && classes.length) return "";
    if (this.kind === "classes" && epochs.length) return classes.length > MOST_CLASSES ? TOO_MANY : NO_CLASSES;
    return this.kind === "gauge" ? (active ? NO_STEPS : NEVER) : active ? BEFORE : TOO_EARLY;
  }

  draw(Plotly, theme) {
    const { reason } = this;
    this.element.querySelector(".run-chart-empty").textContent = reason;
    for (const part of [this.chart, this.table.details]) part.hidden = Boolean(reason);
    if (reason) return undefined;
    const content = this.kind === "gauge" ? this.gauge.x.at(-1) : this.epochs.length, known = `${this.run} ${content} ${this.history.classes.length}`;
    if (!this.chart.offsetParent || known === this.drawn) return undefined;
    this.drawn = known;
    return this.kind === "gauge" ? this.drawGauge(Plotly, theme) : this.drawClasses(Plotly, theme);
  }

  layout(theme, title, format) {
    const layout = curveLayout(theme, "epoch", format);
    if (format?.endsWith("%")) layout.yaxis = fractionAxis(layout.yaxis);
    layout.yaxis.title = { text: title };
    return { ...layout, xaxis: epochAxis(layout.xaxis, this.history), uirevision: `${this.run} ${title}`, legend: { ...layout.legend, font: { size: 11 } } };
  }

  drawGauge(Plotly, theme) {
    const { title, format } = GAUGES[this.choice.value], { x, y } = this.gauge, layout = this.layout(theme, title, format);
    const trace = { x: toEpochs(x, this.history), y: [...y], customdata: [...x], type: "scatter", mode: "lines", line: { color: theme.training, width: 1.5 }, hovertemplate: `epoch %{x:.2f} (step %{customdata}): %{y:${format}}<extra></extra>` };
    return Plotly.react(this.chart, [trace], { ...layout, showlegend: false }, CONFIG);
  }

  // One line for each class. With many classes the colours repeat: then the label at the pointer identifies the line.
  drawClasses(Plotly, theme) {
    const { classes } = this.history, { epochs } = this;
    const traces = classes.map((name, at) => ({
      name: escapeHtml(name), x: epochs.map((e) => e.epoch), y: epochs.map((e) => e.class_accuracy[at]), type: "scatter", mode: epochs.length > MOST_MARKERS ? "lines" : "lines+markers",
      line: { color: theme.categorical[at % theme.categorical.length], width: 1.5 }, marker: { size: 4 }, hovertemplate: `epoch %{x}: %{y:.1%}<extra>${escapeHtml(name)}</extra>`,
    }));
    const layout = this.layout(theme, "validation accuracy", ".3~%");
    return Plotly.react(this.chart, traces, layout, CONFIG);
  }
}

export default mount(".run-chart", (element) => new RunChart(element));
