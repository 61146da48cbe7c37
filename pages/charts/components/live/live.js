// The live panel of a run: progress, metrics and two charts. In: the run's id, its status as the page shows it, and those of all runs that wait or train.
// The panel keeps its connection and its charts as long as its node is there, so a rerun of the page changes nothing here. Triggers: "status" when a
// status differs from what the page shows, once for each change; "epoch" when an epoch was chosen in a chart. A status is shown here only once the page
// has it too, so that no two places contradict each other. After each drawing it dispatches "live:drawn" with { step, at }, for tests and benchmarks.

import { ChartTable } from "../shared/chart_table.js";
import { mount } from "../shared/component.js";
import { StepMean, append } from "../shared/curves.js";
import { listStep, make } from "../shared/dom.js";
import { epochAxis, toEpochs } from "../shared/epochs.js";
import { EventStream } from "../shared/event_stream.js";
import { formatCount, formatDuration, formatLoss, formatPercent } from "../shared/format.js";
import { CONFIG, ChartView, appRoot, curveLayout, fractionAxis, hideTicksIfEmpty } from "../shared/plotly.js";
import { publish } from "../shared/run_feed.js";
import { StatusWatch } from "./status_watch.js";

// A drawing waits PAUSE_FACTOR times as long as the last one took, within these milliseconds: the browser may share its cores with the training.
const SHORTEST_PAUSE = 150, LONGEST_PAUSE = 1000, PAUSE_FACTOR = 5;
const MOST_MARKERS = 100; // epochs up to which each has a marker; with more, the markers took most of the drawing's time
const TRAINING = 1, VALIDATION = 2, BEST = 3; // the traces with a point for each epoch
const BELOW_MARKS = 0.92; // of the height are the curves'; the labels of the marks are above them
const ACTIVE = ["queued", "running", "paused"];
const BEFORE = "The curves begin with the first training step.", NEVER = "This run has no curves. It ended before its first training step.";

// Return a promise that resolves when the browser has painted what was drawn. A hidden tab paints nothing: there it resolves soon.
const painted = () => new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
  setTimeout(resolve, 200);
});

class LivePanel extends ChartView {
  constructor(element) {
    super(element, [...element.querySelectorAll(".live-chart")]);
    this.cost = this.drawnAt = 0;
    this.visible = new Set();
    this.visibility = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.visible[isIntersecting ? "add" : "delete"](target);
      if (this.hasData && entries.some((entry) => entry.isIntersecting)) this.drawSoon();
    }, { rootMargin: "100px" });
    this.charts.forEach((chart) => {
      this.visibility.observe(chart);
      chart.onkeydown = (event) => this.chooseEpoch(chart, event);
      chart.onfocus = () => this.pointOut(chart);
      chart.onblur = () => window.cnnStudioPlotly?.then((Plotly) => Plotly.Fx.unhover(chart));
    });
    this.table = new ChartTable(element.querySelector("details"), "Loss and accuracy by epoch", () => this.columns());
    this.statuses = new StatusWatch((known) => this.send("status", known));
    this.onTabChange = () => this.listen();
    document.addEventListener("visibilitychange", this.onTabChange);
  }

  show({ run, status, label, active }, { setTriggerValue }) {
    this.send = setTriggerValue;
    const isResumed = this.hasEnded && ACTIVE.includes(status), isNew = run !== this.run || isResumed;
    Object.assign(this, { run, status, label });
    this.element.dataset.status = status;
    this.statuses.onPage(run, status, active);
    if (!isNew) {
      if (this.hasData) this.showStage();
      return;
    }
    Object.assign(this, { history: null, hasEnded: false, chosen: undefined });
    this.stream?.close();
    this.stream = new EventStream((last) => this.address(last), {
      types: ["message", "statuses"],
      onMessage: (payload, type) => (type === "statuses" ? this.statuses.onActive(payload) : this.take(payload)),
      onLost: () => this.setText(".live-stage", "The connection was lost. Connecting again…"),
    });
  }

  // A browser has few connections to a host: a hidden tab of a run that has ended needs none. When it is seen again it catches up.
  listen() {
    if (this.hasEnded && document.hidden) this.stream.close();
    else if (this.stream.isClosed) this.stream.open();
    if (!document.hidden) this.statuses.compare();
  }

  address(last) {
    const url = new URL(`api/runs/${encodeURIComponent(this.run)}/events`, appRoot());
    url.searchParams.set("statuses", 1);
    if (last) url.searchParams.set("since", last);
    return url;
  }

  close() {
    this.stream?.close();
    this.statuses.close();
    document.removeEventListener("visibilitychange", this.onTabChange);
    this.visibility.disconnect();
    super.close();
  }

  get hasData() {
    return Boolean(this.history);
  }

  get pause() {
    return this.drawnAt + Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, PAUSE_FACTOR * this.cost)) - performance.now();
  }

  setText(selector, text) {
    this.element.querySelector(selector).textContent = text;
  }

  take(payload) {
    this.hasEnded = !payload.active;
    if (payload.reset || !this.history) this.history = { steps: {}, smoothed: {}, gauges: {}, epochs: [], classes: [], stepMeans: {} };
    const { history } = this, { best, changes, branch, step, at, active, stage, wait, epochs_total, steps_total } = payload;
    for (const group of ["steps", "gauges"]) {
      for (const [name, points] of Object.entries(payload[group])) append((history[group][name] ??= { x: [], y: [] }), points);
    }
    for (const [name, points] of Object.entries(payload.steps)) this.addSmoothed(name, payload.means[name] ?? points, payload);
    history.classes = payload.classes ?? history.classes;
    history.epochs.push(...payload.epochs);
    Object.assign(history, { run: this.run, best, changes, branch, step, at, active, stage, wait, stepsPerEpoch: steps_total ? steps_total / epochs_total : 1 });
    this.statuses.onRun(payload.status, payload.active);
    this.showMetrics(payload);
    publish(history);
    this.drawSoon();
  }

  addSmoothed(name, points, { steps_total, epochs_total }) {
    const { smoothed, stepMeans } = this.history, curve = (smoothed[name] ??= { x: [], y: [] });
    if (!points.x.length) return;
    stepMeans[name] ??= new StepMean(steps_total / epochs_total);
    append(curve, stepMeans[name].add(points));
  }

  // Whether a chart has a size, and is on the screen or near it, or was never drawn. Other charts are drawn when they are scrolled into view. One that
  // is drawn before the first step, while it is hidden, would keep Plotly's width of 700 px, which a phone does not have.
  isVisible(chart) {
    return chart.offsetParent && (!chart.data || this.visible.has(chart));
  }

  async draw(Plotly, theme) {
    const begun = performance.now(), { history } = this;
    for (const chart of this.charts) if (this.isVisible(chart)) await this.drawCurves(Plotly, chart, theme);
    await painted();
    this.drawnAt = performance.now();
    this.cost = this.drawnAt - begun;
    if (history.at) this.element.dispatchEvent(new CustomEvent("live:drawn", { bubbles: true, detail: { step: history.step, at: history.at } }));
  }

  // What the run does: its stage while it trains, what it waits for, else its status. A run without a step has nothing else to show.
  showStage() {
    const isEmpty = !this.history.step;
    this.element.dataset.empty = isEmpty;
    this.setText(".live-none", !isEmpty ? "" : ACTIVE.includes(this.status) ? BEFORE : NEVER);
    this.element.querySelector(".live-left").hidden = !["running", "paused"].includes(this.status);
    const { stage, wait } = this.history, count = stage?.total > 1 ? ` ${formatCount(stage.done)} of ${formatCount(stage.total)}` : "…";
    const waits = this.status === "queued" && wait;
    this.setText(".live-stage", this.status === "running" && stage ? `${stage.stage}${count}` : waits ? `${this.label}. ${wait}` : this.label); // the page shows the error of a failed run
  }

  showMetrics(payload) {
    const { step, steps_total, epoch, epochs_total, best, notes, trained } = payload;
    this.showStage();
    const patience = payload.patience ? ` · patience ${payload.waited} of ${payload.patience}` : "";
    this.setText(".live-step", steps_total ? `step ${formatCount(step)} of ${formatCount(steps_total)}${patience}` : "");
    this.showProgress(payload);
    this.element.querySelector(".live-trained").hidden = !trained;
    const atEpoch = (one) => (one ? `${formatPercent(one.val_accuracy)} <small>epoch ${one.epoch}</small>` : "–");
    const metrics = {
      epoch: epochs_total ? `${formatCount(epoch)} / ${formatCount(epochs_total)}` : "–",
      speed: payload.images_per_second ? `${formatCount(payload.images_per_second)} <small>images/s</small>` : "–",
      left: payload.seconds_left != null ? formatDuration(payload.seconds_left) : "–",
      accuracy: atEpoch(this.history.epochs.at(-1)), best: atEpoch(best),
      trained: trained ? `${trained.text} <small>${trained.detail}</small>` : "",
    };
    for (const [name, html] of Object.entries(metrics)) {
      const place = this.element.querySelector(`[data-figure=${name}]`);
      if (place.shown !== html) place.innerHTML = place.shown = html;
    }
    const list = this.element.querySelector(".live-notes");
    if (list.childElementCount !== notes.length) list.replaceChildren(...notes.map((note) => make("li", note)));
    this.table.update();
    for (const chart of this.charts) this.describe(chart);
  }

  // The values of the charts by epoch.
  columns() {
    const { epochs } = this.history ?? { epochs: [] }, percent = (value) => formatPercent(value);
    const column = (title, name, text) => [title, epochs.map((epoch) => text(epoch[name]))];
    return [
      column("Epoch", "epoch", String), column("Training loss", "train_loss", formatLoss), column("Validation loss", "val_loss", formatLoss),
      column("Training accuracy", "train_accuracy", percent), column("Validation accuracy", "val_accuracy", percent),
    ];
  }

  // With the first epoch a chart becomes a slider over its epochs: a screen reader reads the values of the chosen one.
  describe(chart) {
    const { epochs, best } = this.history, name = chart.dataset.chart;
    chart.role = epochs.length ? "slider" : "img";
    if (!epochs.length) return chart.removeAttribute("tabindex");
    chart.tabIndex = 0;
    const epoch = epochs[Math.min(this.chosen ?? Infinity, epochs.length - 1)];
    const text = (value) => (name === "accuracy" ? formatPercent(value) : formatLoss(value));
    const values = `training ${text(epoch[`train_${name}`])}, validation ${text(epoch[`val_${name}`])}`;
    chart.ariaValueMin = epochs[0].epoch;
    chart.ariaValueMax = epochs.at(-1).epoch;
    chart.ariaValueNow = epoch.epoch;
    chart.ariaValueText = `Epoch ${epoch.epoch}: ${values}${epoch.epoch === best?.epoch ? ", best epoch" : ""}`;
    return undefined;
  }

  // Arrow keys, Home and End choose an epoch; Enter branches from it.
  chooseEpoch(chart, event) {
    const { epochs } = this.history ?? { epochs: [] }, last = epochs.length - 1, at = Math.min(this.chosen ?? last, last);
    if (last < 0) return;
    if (event.key === "Enter") return this.send("epoch", epochs[at].epoch);
    const isUp = ["ArrowUp", "ArrowDown"].includes(event.key), step = listStep(event) * (isUp ? -1 : 1);
    const to = event.key === "Home" ? 0 : event.key === "End" ? last : step ? at + step : undefined;
    if (to === undefined) return;
    event.preventDefault();
    this.chosen = Math.max(0, Math.min(last, to));
    for (const each of this.charts) this.describe(each);
    this.pointOut(chart);
  }

  // Show the values of the chosen epoch in the chart, as if the pointer rested there.
  async pointOut(chart) {
    const Plotly = await window.cnnStudioPlotly, last = this.history?.epochs.length - 1;
    if (!chart.data || !(last >= 0) || document.activeElement !== chart || !chart.matches(":focus-visible")) return;
    const pointNumber = Math.min(this.chosen ?? last, last);
    Plotly.Fx.hover(chart, [TRAINING, VALIDATION].map((curveNumber) => ({ curveNumber, pointNumber })));
  }

  // The bar shows the progress of the training, and before its first step that of the stage, such as computing features.
  showProgress({ status, stage, step, steps_total }) {
    const bar = this.element.querySelector(".live-bar"), isFinished = status === "finished";
    const fraction = isFinished ? 1 : step || !stage ? step / Math.max(1, steps_total) : stage.done / Math.max(1, stage.total);
    bar.setAttribute("aria-valuenow", Math.round(100 * fraction));
    bar.firstElementChild.style.width = `${100 * fraction}%`;
  }

  // A dotted line at each step where settings were changed, and at the one from which the run was branched; the label above the curves names them when
  // the pointer rests on it.
  marks({ changes, branch, stepsPerEpoch, epochsTotal }, theme) {
    const marks = [...changes.map((change) => ({ ...change, label: "changed" })), ...(branch ? [{ ...branch, label: "branch" }] : [])].map((mark) => ({ ...mark, x: mark.step / stepsPerEpoch }));
    return {
      shapes: marks.map(({ x }) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { dash: "dot", width: 1.5, color: theme.text } })),
      annotations: marks.map(({ x, text, label }) => ({ x, y: 1, yref: "paper", yanchor: "top", xanchor: x > 0.8 * epochsTotal ? "right" : "left", text: label, hovertext: text, captureevents: true, showarrow: false, font: { size: 11, color: theme.text } })),
    };
  }

  drawCurves(Plotly, chart, theme) {
    const name = chart.dataset.chart, isAccuracy = name === "accuracy", format = isAccuracy ? ".1%" : ".4~g";
    const { steps, smoothed, epochs, best } = this.history, bests = best ? [best] : [];
    const line = (label, colour, { x, y }, more) => ({ name: label, x: [...x], y: [...y], type: "scatter", mode: "lines", line: { color: colour, width: 1 }, ...more });
    const byStep = (label, curve, more) => line(label, theme.training, { x: toEpochs(curve.x, this.history), y: curve.y }, { customdata: [...curve.x], hovertemplate: `epoch %{x:.2f} (step %{customdata}): %{y:${format}}`, ...more });
    const byEpoch = (label, colour, split) => line(label, colour, { x: epochs.map((e) => e.epoch), y: epochs.map((e) => e[`${split}_${name}`]) }, {
      mode: epochs.length > MOST_MARKERS ? "lines" : "lines+markers", line: { color: colour, width: 2 }, cliponaxis: false, hovertemplate: `epoch %{x}: %{y:${format}}`,
    });
    const traces = [
      byStep("step", steps[name], { opacity: 0.35 }),
      byEpoch("training", theme.training, "train"),
      byEpoch("validation", theme.validation, "val"),
      {
        name: "best", x: bests.map((e) => e.epoch), y: bests.map((e) => e[`val_${name}`]), type: "scatter", mode: "markers", cliponaxis: false, // whole at 0 and 100%
        marker: { symbol: "star", size: 14, color: theme.best, line: { width: 1, color: theme.text } }, hovertemplate: `best, epoch %{x}: %{y:${format}}`,
      },
      byStep("smoothed", smoothed[name], { line: { color: theme.training, width: 1.5, dash: "dot" } }),
    ];
    const layout = { ...curveLayout(theme, "epoch", isAccuracy ? ".3~%" : undefined), ...this.marks(this.history, theme), uirevision: this.run };
    layout.xaxis = epochAxis(layout.xaxis, this.history);
    if (isAccuracy) layout.yaxis = fractionAxis(layout.yaxis);
    layout.legend.font = { size: 11 }; // five names in one row, or in two on a phone
    if (layout.annotations.length) layout.yaxis.domain = [0, BELOW_MARKS];
    hideTicksIfEmpty(layout, traces);
    const isNew = !chart.data, drawn = Plotly.react(chart, traces, layout, CONFIG);
    if (isNew) chart.on("plotly_click", ({ points: [point] }) => [TRAINING, VALIDATION, BEST].includes(point.curveNumber) && this.send("epoch", point.x));
    return drawn.then(() => this.pointOut(chart));
  }
}

export default mount(".live", (element) => new LivePanel(element));
