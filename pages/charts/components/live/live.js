// The live panel of a run: progress, metrics and four charts. In: the run's id and status. The panel keeps its connection and its charts as long as its
// node is there, so a rerun of the page changes nothing here. Triggers: "status" when the run's status has changed, "epoch" when an epoch's marker was
// clicked. After each drawing it dispatches "live:drawn" with { step, at }, for tests and benchmarks.

import { mount } from "../shared/component.js";
import { StepMean, append } from "../shared/curves.js";
import { make } from "../shared/dom.js";
import { EventStream } from "../shared/event_stream.js";
import { formatCount, formatDuration, formatPercent } from "../shared/format.js";
import { CONFIG, ChartView, appRoot, curveLayout, escapeHtml, fractionAxis, hideTicksIfEmpty } from "../shared/plotly.js";

// A drawing waits PAUSE_FACTOR times as long as the last one took, within these milliseconds: the browser may share its cores with the training.
const SHORTEST_PAUSE = 150, LONGEST_PAUSE = 1000, PAUSE_FACTOR = 5;
const GAUGE_PAUSE = 1000; // milliseconds between two drawings of the lower chart, which does not show every step at once
const MOST_MARKERS = 100; // epochs up to which each has a marker; with more, the markers took most of the drawing's time
const MOST_CLASSES = 20; // the stream has the accuracies of this many classes
const GAUGES = {
  learning_rate: { title: "learning rate", format: ".3~g" }, images_per_second: { title: "images per second", format: ",.0f" },
  gradient_norm: { title: "gradient norm", format: ".3~g" }, memory: { title: "memory (bytes)", format: ".3~s" }, load: { title: "CPU or GPU use", format: ".0%" },
};
const STATUS = {
  queued: "Waiting", running: "Training", paused: "Paused", finished: "Completed", stopped: "Stopped. The best model so far is saved.",
  failed: "Failed", interrupted: "Interrupted",
};
const ACTIVE = ["queued", "running", "paused"];

// Return a promise that resolves when the browser has painted what was drawn. A hidden tab paints nothing: there it resolves soon.
const painted = () => new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
  setTimeout(resolve, 200);
});

class LivePanel extends ChartView {
  constructor(element) {
    super(element, [...element.querySelectorAll(".live-chart")]);
    const find = (name) => this.charts.find((chart) => chart.dataset.chart === name);
    this.curveCharts = ["loss", "accuracy"].map(find);
    [this.gaugeChart, this.classChart] = ["gauge", "classes"].map(find);
    this.choice = element.querySelector(".live-gauge");
    this.choice.onchange = () => this.onTheme();
    this.cost = this.drawnAt = this.gaugeDue = 0;
    this.visible = new Set();
    this.visibility = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.visible[isIntersecting ? "add" : "delete"](target);
      if (this.hasData && entries.some((entry) => entry.isIntersecting)) this.drawSoon();
    }, { rootMargin: "100px" });
    this.charts.forEach((chart) => this.visibility.observe(chart));
  }

  show({ run, status }, { setTriggerValue }) {
    this.send = setTriggerValue;
    const isResumed = this.hasEnded && ACTIVE.includes(status);
    if (run === this.run && !isResumed) return;
    Object.assign(this, { run, status, history: null, hasEnded: false });
    this.stream?.close();
    this.stream = new EventStream((last) => this.address(last), {
      onMessage: (payload) => this.take(payload),
      onLost: () => this.setText(".live-stage", "The connection was lost. Connecting again…"),
    });
  }

  address(last) {
    const url = new URL(`api/runs/${encodeURIComponent(this.run)}/events`, appRoot());
    if (last) url.searchParams.set("since", last);
    return url;
  }

  close() {
    this.stream?.close();
    this.visibility.disconnect();
    super.close();
  }

  get hasData() {
    return Boolean(this.history);
  }

  get pause() {
    return this.drawnAt + Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, PAUSE_FACTOR * this.cost)) - performance.now();
  }

  onTheme() {
    this.gaugeDue = 0;
    super.onTheme();
  }

  setText(selector, text) {
    this.element.querySelector(selector).textContent = text;
  }

  take(payload) {
    this.hasEnded = !payload.active;
    if (this.hasEnded) this.stream.close();
    if (payload.reset || !this.history) this.history = { steps: {}, smoothed: {}, gauges: {}, epochs: [], classes: [], stepMeans: {} };
    const { history } = this, { best, changes, branch, step, at, status, active } = payload;
    for (const group of ["steps", "gauges"]) {
      for (const [name, points] of Object.entries(payload[group])) append((history[group][name] ??= { x: [], y: [] }), points);
    }
    for (const [name, points] of Object.entries(payload.steps)) this.addSmoothed(name, payload.means[name] ?? points, payload);
    history.classes = payload.classes ?? history.classes;
    history.epochs.push(...payload.epochs);
    Object.assign(history, { best, changes, branch, step, at, status, active });
    this.showMetrics(payload);
    this.drawSoon();
  }

  addSmoothed(name, points, { steps_total, epochs_total }) {
    const { smoothed, stepMeans } = this.history, curve = (smoothed[name] ??= { x: [], y: [] });
    if (!points.x.length) return;
    stepMeans[name] ??= new StepMean(steps_total / epochs_total);
    append(curve, stepMeans[name].add(points));
  }

  // Whether a chart is on the screen or near it, or was never drawn. Other charts are drawn when they are scrolled into view.
  isVisible(chart) {
    return !chart.data || this.visible.has(chart);
  }

  async draw(Plotly, theme) {
    const begun = performance.now(), { history } = this;
    for (const chart of this.curveCharts) if (this.isVisible(chart)) await this.drawCurves(Plotly, chart, theme);
    if (this.isVisible(this.gaugeChart) && (!history.active || begun > this.gaugeDue)) await this.drawGauge(Plotly, theme);
    if (this.isVisible(this.classChart)) await this.drawClasses(Plotly, theme);
    await painted();
    this.drawnAt = performance.now();
    this.cost = this.drawnAt - begun;
    if (history.at) this.element.dispatchEvent(new CustomEvent("live:drawn", { bubbles: true, detail: { step: history.step, at: history.at } }));
    if (history.status !== this.status) this.send("status", (this.status = history.status));
  }

  showMetrics(payload) {
    const { status, stage, step, steps_total, epochs_total, epochs_done, active, best, notes, wait } = payload;
    const count = stage?.total > 1 ? `${formatCount(stage.done)} of ${formatCount(stage.total)}` : "…";
    this.element.dataset.status = status;
    this.setText(".live-stage", stage && active && status !== "paused" ? `${stage.stage} ${count}` : wait || STATUS[status]); // the page shows the error of a failed run
    const patience = payload.patience ? ` · patience ${payload.waited} of ${payload.patience}` : "";
    this.setText(".live-step", steps_total ? `step ${formatCount(step)} of ${formatCount(steps_total)}${patience}` : "");
    this.showProgress(payload);
    this.lastEpoch = payload.epochs.at(-1) ?? this.lastEpoch;
    const metrics = {
      epoch: epochs_total ? `${Math.min(epochs_done + (active ? 1 : 0), epochs_total)} / ${epochs_total}` : "–",
      speed: payload.images_per_second ? `${formatCount(payload.images_per_second)} <small>images/s</small>` : "–",
      left: active && payload.seconds_left != null ? formatDuration(payload.seconds_left) : "–",
      accuracy: this.lastEpoch ? formatPercent(this.lastEpoch.val_accuracy) : "–",
      best: best ? `${formatPercent(best.val_accuracy)} <small>epoch ${best.epoch}</small>` : "–",
    };
    for (const [name, html] of Object.entries(metrics)) {
      const place = this.element.querySelector(`[data-figure=${name}]`);
      if (place.shown !== html) place.innerHTML = place.shown = html;
    }
    const list = this.element.querySelector(".live-notes");
    if (list.childElementCount !== notes.length) list.replaceChildren(...notes.map((note) => make("li", note)));
  }

  showProgress({ status, stage, step, steps_total }) {
    const bar = this.element.querySelector(".live-bar"), isFinished = status === "finished";
    const fraction = steps_total ? (isFinished ? 1 : step / steps_total) : stage ? stage.done / Math.max(1, stage.total) : Number(isFinished);
    bar.setAttribute("aria-valuenow", Math.round(100 * fraction));
    bar.firstElementChild.style.width = `${100 * fraction}%`;
  }

  // A dotted line at each step where settings were changed, and at the one from which the run was branched; the label at its top names them when the
  // pointer rests on it.
  marks({ changes, branch }, theme) {
    const marks = [...changes.map((change) => ({ ...change, label: "changed" })), ...(branch ? [{ ...branch, label: "branch" }] : [])];
    return {
      shapes: marks.map(({ step }) => ({ type: "line", x0: step, x1: step, yref: "paper", y0: 0, y1: 1, line: { dash: "dot", width: 1.5, color: theme.text } })),
      annotations: marks.map(({ step, text, label }) => ({ x: step, y: 1, yref: "paper", yanchor: "top", xanchor: "left", text: label, hovertext: text, captureevents: true, showarrow: false, font: { size: 11, color: theme.text } })),
    };
  }

  layout(theme, title, tickformat) {
    const layout = curveLayout(theme, title, tickformat);
    if (tickformat?.endsWith("%")) layout.yaxis = fractionAxis(layout.yaxis);
    return { ...layout, uirevision: this.run, legend: { ...layout.legend, font: { size: 11 } } }; // five names in one row, or in two on a phone
  }

  drawCurves(Plotly, chart, theme) {
    const name = chart.dataset.chart, isAccuracy = name === "accuracy", format = isAccuracy ? ".1%" : ".3f";
    const { steps, smoothed, epochs, best } = this.history, bests = best ? [best] : [];
    const line = (label, colour, { x, y }, more) => ({ name: label, x: [...x], y: [...y], type: "scatter", mode: "lines", line: { color: colour, width: 1 }, ...more });
    const byEpoch = (label, colour, split) => line(label, colour, { x: epochs.map((e) => e.step), y: epochs.map((e) => e[`${split}_${name}`]) }, {
      mode: epochs.length > MOST_MARKERS ? "lines" : "lines+markers", line: { color: colour, width: 2 },
      customdata: epochs.map((e) => e.epoch), hovertemplate: `epoch %{customdata}: %{y:${format}}`,
    });
    const traces = [
      line("step", theme.training, steps[name], { opacity: 0.35, hovertemplate: `step %{x}: %{y:${format}}` }),
      byEpoch("training", theme.training, "train"),
      byEpoch("validation", theme.validation, "val"),
      {
        name: "best", x: bests.map((e) => e.step), y: bests.map((e) => e[`val_${name}`]), customdata: bests.map((e) => e.epoch), type: "scatter", mode: "markers",
        marker: { symbol: "star", size: 14, color: theme.best, line: { width: 1, color: theme.text } }, hovertemplate: `best, epoch %{customdata}: %{y:${format}}`,
      },
      line("smoothed", theme.training, smoothed[name], { line: { color: theme.training, width: 1.5, dash: "dot" }, hovertemplate: `about step %{x}: %{y:${format}}` }),
    ];
    const layout = { ...this.layout(theme, "step", isAccuracy ? ".3~%" : undefined), ...this.marks(this.history, theme) };
    hideTicksIfEmpty(layout, traces);
    const isNew = !chart.data, drawn = Plotly.react(chart, traces, layout, CONFIG);
    if (isNew) chart.on("plotly_click", ({ points: [point] }) => point.customdata && this.send("epoch", point.customdata));
    return drawn;
  }

  drawGauge(Plotly, theme) {
    this.gaugeDue = performance.now() + GAUGE_PAUSE;
    const { title, format } = GAUGES[this.choice.value], { x, y } = this.history.gauges[this.choice.value] ?? { x: [], y: [] };
    const layout = this.layout(theme, "step", format);
    layout.yaxis.title = { text: title };
    const trace = { x: [...x], y: [...y], type: "scatter", mode: "lines", line: { color: theme.training, width: 1.5 }, hovertemplate: `step %{x}: %{y:${format}}<extra></extra>` };
    hideTicksIfEmpty(layout, [trace]);
    return Plotly.react(this.gaugeChart, [trace], { ...layout, uirevision: `${this.run} ${title}`, showlegend: false }, CONFIG);
  }

  // One line for each class. With many classes the colours repeat: then the label at the pointer identifies the line. Drawn when there is something new.
  drawClasses(Plotly, theme) {
    const { classes } = this.history, epochs = this.history.epochs.filter((epoch) => epoch.class_accuracy?.length);
    const content = JSON.stringify([this.run, epochs.length, classes.length, theme]);
    if (content === this.drawnClasses) return undefined;
    this.drawnClasses = content;
    const traces = epochs.length ? classes.map((name, at) => ({
      name: escapeHtml(name), x: epochs.map((e) => e.epoch), y: epochs.map((e) => e.class_accuracy[at]), type: "scatter", mode: epochs.length > MOST_MARKERS ? "lines" : "lines+markers",
      line: { color: theme.categorical[at % theme.categorical.length], width: 1.5 }, marker: { size: 4 }, hovertemplate: `epoch %{x}: %{y:.1%}<extra>${escapeHtml(name)}</extra>`,
    })) : [];
    const empty = classes.length > MOST_CLASSES ? "There are too many classes for this chart. Open the Evaluate page to see their accuracies." : "The curves begin after the first epoch.";
    this.setText(".live-empty", traces.length ? "" : empty);
    const layout = this.layout(theme, "epoch", ".3~%");
    hideTicksIfEmpty(layout, traces);
    return Plotly.react(this.classChart, traces, layout, CONFIG);
  }
}

export default mount(".live", (element) => new LivePanel(element));
