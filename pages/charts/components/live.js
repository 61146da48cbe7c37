// The live panel. In: a run's name. It keeps one EventSource and four Plotly charts for as long as its node lives, takes in
// the points that come, and tells the page when the run's status has changed. A rerun of the page changes nothing here.
// After every drawing it dispatches "live:drawn" with {step, at}, which tests and benchmarks listen to.

// A drawing waits REST times as long as the last one took, within these milliseconds: the browser may share its cores with the training.
const QUICK = 150, SLOW = 1000, REST = 5;
const GAUGE_PAUSE = 1000; // milliseconds between two drawings of the lower chart, which nobody follows point by point
const MOST_MARKS = 100; // epochs that each have a mark; of more, the marks took most of the drawing's time
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

// When the browser has put on the screen what was drawn; in a hidden tab, where it draws nothing, soon.
const painted = () => new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
  setTimeout(resolve, 200);
});

class Panel {
  constructor(element) {
    this.element = element;
    this.charts = [...element.querySelectorAll(".live-chart")];
    this.curves = this.charts.filter((chart) => ["loss", "accuracy"].includes(chart.dataset.chart));
    [this.gauge, this.classes] = ["gauge", "classes"].map((name) => this.charts.find((chart) => chart.dataset.chart === name));
    this.choice = element.querySelector(".live-gauge");
    this.choice.onchange = () => { this.gaugeDue = 0; if (this.kept) this.drawSoon(); };
    this.queue = Promise.resolve();
    this.cost = this.drawnAt = this.gaugeDue = 0;
    this.seen = new Set();
    this.sight = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.seen[isIntersecting ? "add" : "delete"](target);
      if (entries.some((entry) => entry.isIntersecting) && this.kept) this.drawSoon();
    }, { rootMargin: "100px" });
    this.charts.forEach((chart) => this.sight.observe(chart));
    // Streamlit changes its theme without telling components: look whenever the root's colours may have changed.
    this.themeWatch = setInterval(() => this.drawnColours && JSON.stringify(coloursOf(element)) !== this.drawnColours && (this.gaugeDue = 0, this.drawSoon()), 1000);
  }

  watch(run, status, onStatus, onEpoch) {
    Object.assign(this, { run, status, onStatus, onEpoch, last: null, kept: null, hasEnded: false });
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
      this.take(payload);
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
    clearTimeout(this.timer);
    clearInterval(this.themeWatch);
    this.sight.disconnect();
    if (window.Plotly) this.charts.forEach((chart) => window.Plotly.purge(chart));
  }

  text(selector, value) {
    this.element.querySelector(selector).textContent = value;
  }

  // Everything that is drawn, so far.
  take(payload) {
    if (payload.reset || !this.kept) this.kept = { steps: {}, smooth: {}, gauges: {}, epochs: [], names: [] };
    const { kept } = this;
    for (const group of ["steps", "smooth", "gauges"]) {
      for (const [name, { x, y }] of Object.entries(payload[group])) {
        const curve = (kept[group][name] ??= { x: [], y: [] });
        curve.x.push(...x);
        curve.y.push(...y);
        if (curve.x.length > MAX_POINTS) [curve.x, curve.y] = thin(curve.x, curve.y, MAX_POINTS / 2);
      }
    }
    kept.names = payload.classes ?? kept.names;
    kept.epochs.push(...payload.epochs);
    const { best, changes, step, at, status, active } = payload;
    Object.assign(kept, { best, changes, step, at, status, active });
    this.showFigures(payload);
    this.drawSoon();
  }

  drawSoon() {
    const rest = Math.min(SLOW, Math.max(QUICK, REST * this.cost));
    this.timer ??= setTimeout(() => {
      this.timer = undefined; // what comes during the drawing is drawn after it
      this.queue = this.queue.then(() => this.draw()).catch((error) => console.error(error));
    }, this.drawnAt + rest - performance.now());
  }

  // Whether a chart is on the screen or near it, or has never been drawn; what is scrolled into view is drawn then.
  isSeen(chart) {
    return !chart.data || this.seen.has(chart);
  }

  async draw() {
    const Plotly = await loadPlotly(), begun = performance.now(), c = coloursOf(this.element), { kept } = this;
    this.drawnColours = JSON.stringify(c);
    for (const chart of this.curves) if (this.isSeen(chart)) await this.drawCurves(Plotly, chart, c);
    if (this.isSeen(this.gauge) && (!kept.active || begun > this.gaugeDue)) await this.drawGauge(Plotly, c);
    if (this.isSeen(this.classes)) await this.drawClasses(Plotly, c);
    await painted();
    this.drawnAt = performance.now();
    this.cost = this.drawnAt - begun;
    if (kept.at) this.element.dispatchEvent(new CustomEvent("live:drawn", { bubbles: true, detail: { step: kept.step, at: kept.at } }));
    if (kept.status !== this.status) this.onStatus((this.status = kept.status));
  }

  showFigures(p) {
    const share = p.status === "finished" ? 1 : p.steps_total ? p.step / p.steps_total : 0;
    const stage = p.stage && p.active && p.status !== "paused" ? `${p.stage.stage} ${p.stage.total > 1 ? `${count(p.stage.done)} of ${count(p.stage.total)}` : "…"}` : STATUS[p.status];
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
    for (const [name, value] of Object.entries(figures)) {
      const place = this.element.querySelector(`[data-figure=${name}]`);
      if (place.shown !== value) place.innerHTML = place.shown = value;
    }
    const notes = this.element.querySelector(".live-notes");
    if (notes.childElementCount !== p.notes.length) notes.replaceChildren(...p.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })));
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
    return { ...layout, uirevision: this.run, legend: { ...layout.legend, font: { size: 11 } } }; // five names in one row, or in two on a phone
  }

  drawCurves(Plotly, chart, c) {
    const name = chart.dataset.chart, format = name === "accuracy" ? ".1%" : ".3f";
    const { steps, smooth, epochs, best, changes } = this.kept, at = best ? [best] : [];
    const line = (label, colour, { x, y }, more) => ({ name: label, x: [...x], y: [...y], type: "scatter", mode: "lines", line: { color: colour, width: 1 }, ...more });
    const byEpoch = (label, colour, kind) => line(label, colour, { x: epochs.map((e) => e.step), y: epochs.map((e) => e[`${kind}_${name}`]) }, {
      mode: epochs.length > MOST_MARKS ? "lines" : "lines+markers", line: { color: colour, width: 2 },
      customdata: epochs.map((e) => e.epoch), hovertemplate: `epoch %{customdata}: %{y:${format}}`,
    });
    const traces = [
      line("step", c.training, steps[name], { opacity: 0.35, hovertemplate: `step %{x}: %{y:${format}}` }),
      byEpoch("training", c.training, "train"),
      byEpoch("validation", c.validation, "val"),
      {
        name: "best", x: at.map((e) => e.step), y: at.map((e) => e[`val_${name}`]), customdata: at.map((e) => e.epoch), type: "scatter", mode: "markers",
        marker: { symbol: "star", size: 14, color: c.best, line: { width: 1, color: c.text } }, hovertemplate: `best, epoch %{customdata}: %{y:${format}}`,
      },
      line("smoothed", c.training, smooth[name], { line: { color: c.training, width: 1.5, dash: "dot" }, hovertemplate: `about step %{x}: %{y:${format}}` }),
    ];
    const isNew = !chart.data, drawn = Plotly.react(chart, traces, { ...this.layout(name, c), ...this.marks(changes, c) }, CONFIG);
    if (isNew) chart.on("plotly_click", ({ points: [point] }) => point.customdata && this.onEpoch(point.customdata));
    return drawn;
  }

  drawGauge(Plotly, c) {
    this.gaugeDue = performance.now() + GAUGE_PAUSE;
    const { title, format } = GAUGES[this.choice.value], { x, y } = this.kept.gauges[this.choice.value] ?? { x: [], y: [] };
    const layout = this.layout("gauge", c);
    layout.yaxis = { ...layout.yaxis, title: { text: title }, tickformat: format };
    layout.uirevision = `${this.run} ${title}`;
    const trace = { x: [...x], y: [...y], type: "scatter", mode: "lines", line: { color: c.training, width: 1.5 }, hovertemplate: `step %{x}: %{y:${format}}<extra></extra>` };
    return Plotly.react(this.gauge, [trace], { ...layout, showlegend: false }, CONFIG);
  }

  // One line a class; the colours of many classes repeat, so lines are told apart by pointing at them. Drawn when there is something new.
  drawClasses(Plotly, c) {
    const { names } = this.kept, epochs = this.kept.epochs.filter((epoch) => epoch.class_accuracy?.length);
    const about = `${this.run} ${epochs.length} ${names.length} ${this.drawnColours}`;
    if (this.drawnClasses === about) return;
    this.drawnClasses = about;
    const layout = this.layout("accuracy", c);
    const traces = names.length && epochs.length ? names.map((name, at) => ({
      name: plain(name), x: epochs.map((e) => e.epoch), y: epochs.map((e) => e.class_accuracy[at]), type: "scatter", mode: epochs.length > MOST_MARKS ? "lines" : "lines+markers",
      line: { color: c.all[at % c.all.length], width: 1.5 }, marker: { size: 4 }, hovertemplate: `epoch %{x}: %{y:.1%}<extra>${plain(name)}</extra>`,
    })) : [];
    this.text(".live-empty", traces.length ? "" : names.length > MOST_CLASSES ? "Too many classes to draw. The Evaluate page lists them." : "Drawn after the first epoch.");
    layout.xaxis = { ...layout.xaxis, title: { text: "epoch" } };
    return Plotly.react(this.classes, traces, { ...layout, legend: { ...layout.legend, font: { size: 11 } } }, CONFIG);
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
