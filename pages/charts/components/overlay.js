// Several runs on the same axes, live. In: the runs' names, each with the place of its colour and the group it belongs to (its own id where
// it stands for itself), what to draw and against what; of two measures the second is dotted. One EventSource brings the points of
// all of them; a rerun with another choice draws the points that are here already.

const PAUSE = 400; // milliseconds between two drawings, however many runs report
const overlays = new WeakMap();
const SYMBOLS = ["circle", "diamond"]; // of groups, which are told apart without their colours too
const STEPS = { "step loss": "loss", "step accuracy": "accuracy" };
const EPOCHS = { "validation accuracy": "val_accuracy", "validation loss": "val_loss", "training accuracy": "train_accuracy", "training loss": "train_loss" };

// A running mean in which every value counts `share` times as much as the next one, without a bias towards zero at the start.
export function smoothed(values, share) {
  let total = 0, weight = 0;
  return values.map((value) => (total = total * share + value) / (weight = weight * share + 1));
}

// Minutes at each of the steps, between the moments that are known: [step, seconds], both rising.
export function minutesAt(steps, moments) {
  let at = 0;
  return steps.map((step) => {
    while (at < moments.length - 2 && moments[at + 1][0] < step) at++;
    const [[left, from], [right, to]] = [moments[at], moments[at + 1] ?? moments[at]];
    return (right > left ? from + ((to - from) * (step - left)) / (right - left) : from) / 60;
  });
}

// A range that shows what lies beyond the first quarter of each curve, with some room; undefined while there is nothing to show.
export function lateRange(curves) {
  const late = curves.flatMap(({ x, y }) => y.filter((_, place) => x[place] > x[x.length - 1] / 4));
  if (!late.length) return undefined;
  const [low, high] = [Math.min(...late), Math.max(...late)], room = 0.05 * (high - low) || 0.01;
  return [low - room, high + room];
}

class Overlay {
  constructor(element) {
    this.element = element;
    this.chart = element.querySelector(".overlay-chart");
    this.themeWatch = setInterval(() => JSON.stringify(coloursOf(element)) !== this.drawnColours && this.drawSoon(), 1000);
  }

  show(data) {
    this.choice = data;
    const runs = JSON.stringify(data.runs.map((run) => run.id));
    const goesOn = data.runs.some((run) => run.active && this.kept?.get(run.id)?.active === false);
    if (runs === this.runs && !goesOn) return this.drawSoon();
    this.runs = runs;
    this.kept = new Map(data.runs.map((run) => [run.id, { loss: { x: [], y: [] }, accuracy: { x: [], y: [] }, epochs: [], active: true }]));
    this.connect();
  }

  connect() {
    this.source?.close();
    const url = new URL("api/events", appRoot());
    for (const id of this.kept.keys()) url.searchParams.append("run", id);
    const source = (this.source = new EventSource(url));
    for (const id of this.kept.keys()) source.addEventListener(id, (message) => this.take(id, JSON.parse(message.data)));
    source.onerror = () => {
      if (this.source !== source) return;
      this.note("The connection was lost. Trying again…");
      if (source.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.connect(), 2000);
    };
  }

  take(id, payload) {
    const kept = this.kept.get(id);
    for (const name of ["loss", "accuracy"]) {
      const curve = payload.reset ? (kept[name] = { x: [], y: [] }) : kept[name];
      curve.x.push(...payload.steps[name].x);
      curve.y.push(...payload.steps[name].y);
      if (curve.x.length > MAX_POINTS) [curve.x, curve.y] = thin(curve.x, curve.y, MAX_POINTS / 2);
    }
    kept.epochs = payload.reset ? payload.epochs : [...kept.epochs, ...payload.epochs];
    Object.assign(kept, { active: payload.active, now: [payload.step, payload.seconds], perEpoch: payload.epochs_total ? payload.steps_total / payload.epochs_total : 1 });
    const active = [...this.kept.values()].filter((run) => run.active).length;
    if (!active) this.source.close();
    const isEmpty = [...this.kept.values()].every((run) => !run.epochs.length && !run.loss.x.length);
    this.note(active ? `${active} of ${this.kept.size} not done yet: their curves grow by themselves.` : isEmpty ? "There are no curves: nothing was trained." : "");
    this.drawSoon();
  }

  note(text) {
    this.element.querySelector(".overlay-note").textContent = text;
  }

  drawSoon() {
    this.timer ??= setTimeout(async () => {
      await this.draw(await loadPlotly()).catch((error) => console.error(error));
      this.timer = undefined;
    }, this.chart.data ? PAUSE : 0);
  }

  // x and y of one run's curve of a measure.
  curve(kept, measure) {
    const { axis } = this.choice;
    if (measure in STEPS) {
      const { x, y } = kept[STEPS[measure]];
      const moments = [[0, 0], ...kept.epochs.map((e) => [e.step, e.seconds]), ...(kept.now?.[1] ? [kept.now] : [])];
      return { x: axis === "step" ? x : axis === "epoch" ? x.map((step) => step / kept.perEpoch) : minutesAt(x, moments), y };
    }
    const at = { step: (e) => e.step, epoch: (e) => e.epoch, minutes: (e) => e.seconds / 60 }[axis];
    return { x: kept.epochs.map(at), y: kept.epochs.map((e) => e[EPOCHS[measure]]) };
  }

  draw(Plotly) {
    const c = coloursOf(this.element), { measures, axis, smoothing, runs } = this.choice, isShare = measures[0].endsWith("accuracy");
    this.drawnColours = JSON.stringify(c);
    const traces = [], told = new Set();
    for (const { id, name, group, colour: place } of runs) measures.forEach((measure, position) => {
      const { x, y } = this.curve(this.kept.get(id), measure), colour = c.all[place % c.all.length], mode = measure in STEPS ? "lines" : "lines+markers";
      const label = plain(measures.length > 1 ? `${name}, ${measure}` : name), legendgroup = `${group} ${measure}`, showlegend = !told.has(legendgroup);
      told.add(legendgroup);
      const shared = { x, type: "scatter", name: label, legendgroup, line: { color: colour, width: 2, dash: position ? "dot" : "solid" }, marker: { size: group === id ? 5 : 7, color: colour, symbol: group === id ? "circle" : SYMBOLS[place % 2] }, hovertemplate: `${axis} %{x:.4~g}: %{y:${isShare ? ".2%" : ".4f"}}<extra>${label}</extra>` };
      if (smoothing) traces.push({ ...shared, y, mode: "lines", opacity: 0.25, showlegend: false });
      traces.push({ ...shared, y: smoothing ? smoothed(y, smoothing) : y, mode, showlegend });
    });
    const layout = chartLayout(c, axis, isShare ? ".0%" : undefined);
    layout.yaxis = { ...layout.yaxis, rangemode: "normal", title: { text: measures.length > 1 ? measures[0].split(" ").at(-1) : measures[0] } };
    if (measures.length > 1) layout.yaxis.range = lateRange(traces); // their distance is the point, and the steep beginning would flatten it
    const isDrawn = traces.some(({ x }) => x.length); // numbers along the axes of nothing would be made up
    for (const one of [layout.xaxis, layout.yaxis]) one.showticklabels = isDrawn;
    return Plotly.react(this.chart, traces, { ...layout, uirevision: `${measures} ${axis} ${this.runs}` }, CONFIG);
  }

  close() {
    this.source?.close();
    clearTimeout(this.retry);
    clearTimeout(this.timer);
    clearInterval(this.themeWatch);
    if (window.Plotly) window.Plotly.purge(this.chart);
  }
}

export default function (component) {
  const element = component.parentElement.querySelector(".overlay");
  let overlay = overlays.get(element);
  if (!overlay) overlays.set(element, (overlay = new Overlay(element)));
  overlay.show(component.data);
  return () => {
    setTimeout(() => { if (!element.isConnected) { overlay.close(); overlays.delete(element); } }, 0);
  };
}
