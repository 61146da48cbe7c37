// The live panel. In: a run's name. It keeps one EventSource and four Plotly charts for as long as its node lives, appends
// the points that come, and tells the page when the run's status has changed. A rerun of the page changes nothing here.
// After every drawing it dispatches "live:drawn" with {step, at}, which tests and benchmarks listen to.

const STEP = 0, TRAINING = 1, VALIDATION = 2, BEST = 3, SMOOTH = 4;
const GAUGES = {
  learning_rate: { title: "learning rate", format: ".3~g" }, images_per_second: { title: "images per second", format: ",.0f" },
  gradient_norm: { title: "gradient norm", format: ".3~g" }, memory: { title: "bytes in use", format: ".3~s" }, load: { title: "share of the device's time", format: ".0%" },
};
const MOST_CLASSES = 20; // as many as the stream tells the accuracies of
const panels = new WeakMap();

function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const count = (number) => Math.round(number).toLocaleString("en");

const STATUS = {
  queued: "Waiting for its turn", running: "Training", paused: "Paused", finished: "Finished", stopped: "Stopped. What was learned is kept.",
  failed: "Failed", interrupted: "Interrupted: the process that trained this run has ended.",
};

class Panel {
  constructor(element) {
    this.element = element;
    this.charts = [...element.querySelectorAll(".live-chart")];
    this.curves = this.charts.filter((chart) => ["loss", "accuracy"].includes(chart.dataset.chart));
    [this.gauge, this.classes] = ["gauge", "classes"].map((name) => this.charts.find((chart) => chart.dataset.chart === name));
    this.choice = element.querySelector(".live-gauge");
    this.choice.onchange = () => window.Plotly && this.gauges && this.drawGauge(window.Plotly);
    this.queue = Promise.resolve();
    // Streamlit changes its theme without telling components: look whenever the root's colours may have changed.
    this.themeWatch = setInterval(() => this.followTheme(), 1000);
  }

  watch(run, status, onStatus, onEpoch) {
    this.onEpoch = onEpoch;
    this.run = run;
    this.status = status;
    this.onStatus = onStatus;
    this.last = null;
    this.hasEnded = false;
    this.source?.close();
    this.connect();
  }

  connect() {
    const url = new URL(`api/runs/${encodeURIComponent(this.run)}/events`, appRoot());
    if (this.last) url.searchParams.set("since", this.last);
    const source = (this.source = new EventSource(url));
    source.onmessage = (message) => {
      this.last = message.lastEventId;
      const payload = JSON.parse(message.data);
      if (!payload.active) source.close();
      this.hasEnded = !payload.active;
      this.queue = this.queue.then(() => this.show(payload)).catch((error) => console.error(error));
    };
    source.onerror = () => {
      this.text(".live-stage", "The connection was lost. Trying again…");
      // A refused stream is closed by the browser for good; a broken one it opens again by itself, from the last message's id.
      if (source.readyState === EventSource.CLOSED && this.source === source) this.retry = setTimeout(() => this.connect(), 2000);
    };
  }

  close() {
    this.source?.close();
    clearTimeout(this.retry);
    clearInterval(this.themeWatch);
    if (window.Plotly) this.charts.forEach((chart) => window.Plotly.purge(chart));
  }

  text(selector, value) {
    this.element.querySelector(selector).textContent = value;
  }

  async show(payload) {
    this.showFigures(payload);
    const Plotly = await loadPlotly();
    for (const chart of this.curves) {
      const name = chart.dataset.chart, points = payload.steps[name];
      if (payload.reset || !chart.data) await this.draw(Plotly, chart, name, points, payload);
      else await this.extend(Plotly, chart, name, points, payload);
    }
    this.remember(payload);
    if (payload.reset || !this.gauge.data) await this.drawGauge(Plotly);
    else await this.extendGauge(Plotly, payload.gauges[this.choice.value]);
    if (payload.reset || payload.epochs.length || !this.classes.data) await this.drawClasses(Plotly);
    if (payload.at) this.element.dispatchEvent(new CustomEvent("live:drawn", { bubbles: true, detail: { step: payload.step, at: payload.at } }));
    if (payload.status !== this.status) this.onStatus((this.status = payload.status));
  }

  showFigures(p) {
    const share = p.status === "finished" ? 1 : p.steps_total ? p.step / p.steps_total : 0;
    const stage = p.stage && p.active ? `${p.stage.stage} ${p.stage.total > 1 ? `${count(p.stage.done)} of ${count(p.stage.total)}` : "…"}` : STATUS[p.status];
    this.text(".live-stage", p.error || stage);
    const patience = p.patience ? ` · patience ${p.waited} of ${p.patience}` : "";
    this.text(".live-share", p.steps_total ? `step ${count(p.step)} of ${count(p.steps_total)}${patience}` : "");
    const bar = this.element.querySelector(".live-bar");
    const shown = p.steps_total ? share : p.stage ? p.stage.done / Math.max(1, p.stage.total) : share;
    bar.setAttribute("aria-valuenow", Math.round(100 * shown));
    bar.firstElementChild.style.width = `${100 * shown}%`;
    const last = p.epochs.at(-1) ?? this.lastEpoch;
    this.lastEpoch = last;
    const figures = {
      epoch: p.epochs_total ? `${Math.min(p.epochs_done + (p.active ? 1 : 0), p.epochs_total)} / ${p.epochs_total}` : "–",
      speed: p.images_per_second ? `${count(p.images_per_second)} <small>images/s</small>` : "–",
      left: p.active && p.seconds_left != null ? duration(p.seconds_left) : "–",
      accuracy: last ? percent(last.val_accuracy) : "–",
      best: p.best ? `${percent(p.best.val_accuracy)} <small>epoch ${p.best.epoch}</small>` : "–",
    };
    for (const [name, value] of Object.entries(figures)) this.element.querySelector(`[data-figure=${name}]`).innerHTML = value;
    const notes = this.element.querySelector(".live-notes");
    notes.replaceChildren(...p.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
  }

  // A dotted line where settings were changed; its mark tells which when it is pointed at.
  marks(changes, c) {
    return {
      shapes: changes.map(({ step }) => ({ type: "line", x0: step, x1: step, yref: "paper", y0: 0, y1: 1, line: { dash: "dot", width: 1.5, color: c.text } })),
      annotations: changes.map(({ step, text }) => ({ x: step, y: 1, yref: "paper", yanchor: "top", xanchor: "left", text: "changed", hovertext: text, captureevents: true, showarrow: false, font: { size: 11, color: c.text } })),
    };
  }

  layout(name, c) {
    const layout = chartLayout(c, "step", name === "accuracy" ? ".0%" : undefined);
    return { ...layout, uirevision: this.run };
  }

  draw(Plotly, chart, name, points, payload) {
    const c = coloursOf(this.element), format = name === "accuracy" ? ".1%" : ".3f";
    const epochs = payload.epochs;
    const line = (label, colour, x, y, more) => ({ name: label, x, y, type: "scatter", mode: "lines", line: { color: colour, width: 1 }, ...more });
    const byEpoch = { mode: "lines+markers", customdata: epochs.map((e) => e.epoch), hovertemplate: `epoch %{customdata}: %{y:${format}}` };
    const traces = [];
    traces[STEP] = line("each step", c.training, points.x, points.y, { opacity: 0.35, hovertemplate: `step %{x}: %{y:${format}}` });
    traces[TRAINING] = line("training", c.training, epochs.map((e) => e.step), epochs.map((e) => e[`train_${name}`]), { ...byEpoch, line: { color: c.training, width: 2 } });
    traces[VALIDATION] = line("validation", c.validation, epochs.map((e) => e.step), epochs.map((e) => e[`val_${name}`]), { ...byEpoch, line: { color: c.validation, width: 2 } });
    traces[BEST] = { name: "best epoch", ...this.bestPoint(payload, name), type: "scatter", mode: "markers", marker: { symbol: "star", size: 14, color: c.best, line: { width: 1, color: c.text } }, hovertemplate: `best, epoch %{customdata}: %{y:${format}}` };
    traces[SMOOTH] = line("each step, smoothed", c.training, payload.smooth[name].x, payload.smooth[name].y, { line: { color: c.training, width: 1.5, dash: "dot" }, hovertemplate: `about step %{x}: %{y:${format}}` });
    this.drawnColours = JSON.stringify(c);
    chart.dataset.changes = JSON.stringify(payload.changes);
    const drawn = Plotly.react(chart, traces, { ...this.layout(name, c), ...this.marks(payload.changes, c) }, CONFIG);
    chart.removeAllListeners?.("plotly_click");
    chart.on?.("plotly_click", ({ points: [point] }) => point.customdata && this.onEpoch(point.customdata));
    return drawn;
  }

  // What the two lower charts are drawn from: points of every gauge, and the epochs' accuracy of each class.
  remember(payload) {
    if (payload.reset || !this.gauges) [this.gauges, this.epochs] = [{}, []];
    for (const [name, { x, y }] of Object.entries(payload.gauges)) {
      const kept = (this.gauges[name] ??= { x: [], y: [] });
      kept.x.push(...x);
      kept.y.push(...y);
      if (kept.x.length > MAX_POINTS) [kept.x, kept.y] = thin(kept.x, kept.y, MAX_POINTS / 2);
    }
    this.names = payload.classes ?? this.names ?? [];
    this.epochs.push(...payload.epochs.filter((epoch) => epoch.class_accuracy?.length));
  }

  drawGauge(Plotly) {
    const c = coloursOf(this.element), { title, format } = GAUGES[this.choice.value], { x, y } = this.gauges[this.choice.value] ?? { x: [], y: [] };
    const layout = this.layout("gauge", c);
    layout.yaxis = { ...layout.yaxis, title: { text: title }, tickformat: format };
    layout.uirevision = `${this.run} ${title}`;
    const trace = { x: [...x], y: [...y], type: "scatter", mode: "lines", line: { color: c.training, width: 1.5 }, hovertemplate: `step %{x}: %{y:${format}}<extra></extra>` };
    return Plotly.react(this.gauge, [trace], { ...layout, showlegend: false }, CONFIG);
  }

  async extendGauge(Plotly, { x, y }) {
    if (!x.length) return;
    if (this.gauge.data[0].x.length + x.length > MAX_POINTS) await this.drawGauge(Plotly);
    else await Plotly.extendTraces(this.gauge, { x: [x], y: [y] }, [0]);
  }

  // One line a class; the colours of many classes repeat, so lines are told apart by pointing at them.
  drawClasses(Plotly) {
    const c = coloursOf(this.element), layout = this.layout("accuracy", c);
    const traces = this.names.length && this.epochs.length ? this.names.map((name, at) => ({
      name: plain(name), x: this.epochs.map((e) => e.epoch), y: this.epochs.map((e) => e.class_accuracy[at]), type: "scatter", mode: "lines+markers",
      line: { color: c.all[at % c.all.length], width: 1.5 }, marker: { size: 4 }, hovertemplate: `epoch %{x}: %{y:.1%}<extra>${plain(name)}</extra>`,
    })) : [];
    this.text(".live-empty", traces.length ? "" : this.names.length > MOST_CLASSES ? "Too many classes to draw. The Evaluate page lists them." : "Drawn after the first epoch.");
    layout.xaxis = { ...layout.xaxis, title: { text: "epoch" } };
    return Plotly.react(this.classes, traces, { ...layout, legend: { ...layout.legend, font: { size: 11 } } }, CONFIG);
  }

  async extend(Plotly, chart, name, points, payload) {
    const epochs = payload.epochs, changes = JSON.stringify(payload.changes);
    if (chart.dataset.changes !== changes) {
      chart.dataset.changes = changes;
      await Plotly.relayout(chart, this.marks(payload.changes, coloursOf(this.element)));
    }
    const smooth = payload.smooth[name];
    if (points.x.length) await Plotly.extendTraces(chart, { x: [points.x, smooth.x], y: [points.y, smooth.y] }, [STEP, SMOOTH]);
    for (const which of [STEP, SMOOTH]) {
      if (chart.data[which].x.length <= MAX_POINTS) continue;
      const [x, y] = thin([...chart.data[which].x], [...chart.data[which].y], MAX_POINTS / 2);
      await Plotly.restyle(chart, { x: [x], y: [y] }, [which]);
    }
    if (epochs.length) {
      const steps = epochs.map((e) => e.step), numbers = epochs.map((e) => e.epoch);
      await Plotly.extendTraces(chart, {
        x: [steps, steps], y: [epochs.map((e) => e[`train_${name}`]), epochs.map((e) => e[`val_${name}`])], customdata: [numbers, numbers],
      }, [TRAINING, VALIDATION]);
      const best = this.bestPoint(payload, name);
      await Plotly.restyle(chart, { x: [best.x], y: [best.y], customdata: [best.customdata] }, [BEST]);
    }
  }

  bestPoint(payload, name) {
    const best = payload.best;
    return best ? { x: [best.step], y: [best[`val_${name}`]], customdata: [best.epoch] } : { x: [], y: [], customdata: [] };
  }

  followTheme() {
    if (!window.Plotly || !this.charts.every((chart) => chart.data)) return;
    const c = coloursOf(this.element);
    if (JSON.stringify(c) === this.drawnColours) return;
    this.drawnColours = JSON.stringify(c);
    this.drawGauge(window.Plotly);
    this.drawClasses(window.Plotly);
    for (const chart of this.curves) {
      const { font, xaxis, yaxis } = this.layout(chart.dataset.chart, c);
      const update = { font, "xaxis.gridcolor": xaxis.gridcolor, "yaxis.gridcolor": yaxis.gridcolor, "xaxis.color": c.text, "yaxis.color": c.text };
      window.Plotly.update(chart, { "line.color": [c.training, c.training, c.validation, c.text, c.training], "marker.color": [null, null, null, c.best, null] }, update);
    }
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const element = parentElement.querySelector(".live");
  let panel = panels.get(element);
  if (!panel) panels.set(element, (panel = new Panel(element)));
  const goesOn = panel.hasEnded && ["queued", "running", "paused"].includes(data.status);
  if (panel.run !== data.run || goesOn) panel.watch(data.run, data.status, (status) => setTriggerValue("status", status), (epoch) => setTriggerValue("epoch", epoch));
  return () => {
    // Called when the node goes; a rerun that keeps the node keeps the panel.
    setTimeout(() => { if (!element.isConnected) { panel.close(); panels.delete(element); } }, 0);
  };
}
