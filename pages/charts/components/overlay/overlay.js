// Curves of several runs on the same axes, live. In: the runs (id, name, colour number, group), one or two measures, the x axis and the smoothing. A group is
// drawn as its mean with a band from its lowest to its highest run; a run without a group is drawn by itself. The second of two measures is dotted. One
// connection brings the points of all runs; a rerun with other measures, axis or smoothing draws the points that are there.

import { mount } from "../shared/component.js";
import { append, smooth } from "../shared/curves.js";
import { EventStream } from "../shared/event_stream.js";
import { sum } from "../shared/format.js";
import { CONFIG, ChartView, appRoot, curveLayout, escapeHtml, fractionAxis, hideTicksIfEmpty } from "../shared/plotly.js";

const PAUSE = 400; // milliseconds between two drawings, however many runs report
const SYMBOLS = ["circle", "diamond"]; // of groups, so that they differ not only in colour
const STEP_MEASURES = { "step loss": "loss", "step accuracy": "accuracy" };
const EPOCH_MEASURES = { "validation accuracy": "val_accuracy", "validation loss": "val_loss", "training accuracy": "train_accuracy", "training loss": "train_loss" };
const EPOCH_AXES = { step: (epoch) => epoch.step, epoch: (epoch) => epoch.epoch, minutes: (epoch) => epoch.seconds / 60 };

// Return the minutes at each of the steps, interpolated between the known times: [step, seconds], both rising.
export function minutesAt(steps, times) {
  let at = 0;
  return steps.map((step) => {
    while (at < times.length - 2 && times[at + 1][0] < step) at++;
    const [[left, from], [right, to]] = [times[at], times[at + 1] ?? times[at]];
    return (right > left ? from + ((to - from) * (step - left)) / (right - left) : from) / 60;
  });
}

// Return a range that shows what comes after the first quarter of each curve, with a margin; undefined while there is nothing to show.
export function lateRange(curves) {
  const late = curves.flatMap(({ x, y }) => y.filter((_, at) => x[at] > x[x.length - 1] / 4));
  if (!late.length) return undefined;
  const [low, high] = [Math.min(...late), Math.max(...late)], margin = 0.05 * (high - low) || 0.01;
  return [low - margin, high + margin];
}

// Return mean, lowest and highest value of several curves at every x of any of them, x ascending.
export function meanAndRange(curves) {
  const at = new Map();
  for (const { x, y } of curves) x.forEach((place, index) => at.set(place, [...(at.get(place) ?? []), y[index]]));
  const x = [...at.keys()].sort((a, b) => a - b), values = x.map((place) => at.get(place));
  return { x, mean: values.map((some) => sum(some) / some.length), low: values.map((some) => Math.min(...some)), high: values.map((some) => Math.max(...some)) };
}

class Overlay extends ChartView {
  constructor(element) {
    super(element, [element.querySelector(".overlay-chart")]);
    [this.chart] = this.charts;
  }

  show(data) {
    this.data = data;
    this.chart.setAttribute("aria-label", data.label);
    const ids = data.runs.map((run) => run.id), content = JSON.stringify(ids);
    const isResumed = data.runs.some((run) => run.active && this.runs?.get(run.id)?.active === false);
    if (content === this.content && !isResumed) return this.drawSoon();
    this.content = content;
    this.runs = new Map(ids.map((id) => [id, { loss: { x: [], y: [] }, accuracy: { x: [], y: [] }, epochs: [], active: true }]));
    this.stream?.close();
    const address = new URL("api/events", appRoot());
    for (const id of this.runs.keys()) address.searchParams.append("run", id);
    this.stream = new EventStream(() => address, {
      types: [...this.runs.keys()], // each message's type is its run's id
      onMessage: (payload, id) => this.take(id, payload),
      onLost: () => this.note("The connection was lost. Connecting again…"),
    });
  }

  close() {
    this.stream?.close();
    super.close();
  }

  get pause() {
    return this.chart.data ? PAUSE : 0;
  }

  get hasData() {
    return Boolean(this.data);
  }

  take(id, payload) {
    const run = this.runs.get(id);
    for (const name of ["loss", "accuracy"]) {
      if (payload.reset) run[name] = { x: [], y: [] };
      append(run[name], payload.steps[name]);
    }
    run.epochs = payload.reset ? payload.epochs : [...run.epochs, ...payload.epochs];
    const { active, step, seconds, steps_total, epochs_total } = payload;
    Object.assign(run, { active, now: [step, seconds], stepsPerEpoch: epochs_total ? steps_total / epochs_total : 1 });
    const all = [...this.runs.values()], count = all.filter((other) => other.active).length;
    if (!count) this.stream.close();
    const isEmpty = all.every((other) => !other.epochs.length && !other.loss.x.length);
    Object.assign(this.element.dataset, { active: count, empty: isEmpty });
    this.note(count ? `Active runs: ${count} of ${all.length}. Their curves are updated live.` : isEmpty ? "There are no curves, because none of these runs has trained." : "");
    this.drawSoon();
  }

  note(text) {
    this.element.querySelector(".overlay-note").textContent = text;
  }

  // x and y of one run's curve of a measure.
  curve(run, measure) {
    const { axis } = this.data;
    if (measure in STEP_MEASURES) {
      const { x, y } = run[STEP_MEASURES[measure]];
      const times = [[0, 0], ...run.epochs.map((e) => [e.step, e.seconds]), ...(run.now?.[1] ? [run.now] : [])];
      return { x: axis === "step" ? x : axis === "epoch" ? x.map((step) => step / run.stepsPerEpoch) : minutesAt(x, times), y };
    }
    return { x: run.epochs.map(EPOCH_AXES[axis]), y: run.epochs.map((e) => e[EPOCH_MEASURES[measure]]) };
  }

  traces(theme, format) {
    const groups = new Map();
    for (const run of this.data.runs) groups.set(run.group, [...(groups.get(run.group) ?? []), run]);
    return [...groups.values()].flatMap((members) => this.data.measures.flatMap((measure, position) => {
      const [{ id, name, group, colour: number }] = members, { measures, axis } = this.data, isAlone = group === id;
      const colour = theme.categorical[number % theme.categorical.length], label = escapeHtml(measures.length > 1 ? `${name}, ${measure}` : name);
      const style = {
        type: "scatter", name: label, showlegend: true, legendgroup: `${group} ${measure}`, line: { color: colour, width: 2, dash: position ? "dot" : "solid" },
        marker: { size: isAlone ? 5 : 7, color: colour, symbol: isAlone ? "circle" : SYMBOLS[number % 2] }, hovertemplate: `${axis} %{x:.4~g}: %{y:${format}}<extra>${label}</extra>`,
      };
      return isAlone ? this.runTraces(id, measure, style) : this.groupTraces(members, measure, style);
    }));
  }

  // The curve of one run: smoothed, with the original below it.
  runTraces(id, measure, style) {
    const { x, y } = this.curve(this.runs.get(id), measure), { smoothing } = this.data, mode = measure in STEP_MEASURES ? "lines" : "lines+markers";
    const original = { ...style, x, y, mode: "lines", opacity: 0.25, showlegend: false };
    return [...(smoothing ? [original] : []), { ...style, x, y: smoothing ? smooth(y, smoothing) : y, mode }];
  }

  // The mean of a group's runs and their band. A run that still trains is a thin line until it has finished, and the mean does not jump.
  groupTraces(members, measure, style) {
    const curves = members.map(({ id }) => ({ ...this.curve(this.runs.get(id), measure), active: this.runs.get(id).active })).filter(({ x }) => x.length);
    const ended = curves.filter(({ active }) => !active), complete = ended.length ? ended : curves, growing = ended.length ? curves.filter(({ active }) => active) : [];
    const { x, mean, low, high } = meanAndRange(complete), edge = { ...style, x, mode: "lines", hoverinfo: "skip", hovertemplate: undefined, showlegend: false, line: { width: 0 } };
    const band = complete.length > 1 ? [{ ...edge, y: low }, { ...edge, y: high, fill: "tonexty", fillcolor: `${style.line.color}2e` }] : [];
    const lines = growing.map((curve) => ({ ...style, x: curve.x, y: curve.y, mode: "lines", opacity: 0.6, showlegend: false, line: { ...style.line, width: 1 } }));
    return [...band, ...lines, { ...style, x, y: mean, mode: "lines+markers" }];
  }

  draw(Plotly, theme) {
    const { measures, axis } = this.data, isAccuracy = measures[0].endsWith("accuracy");
    const traces = this.traces(theme, isAccuracy ? ".2%" : ".4f"), layout = curveLayout(theme, axis, isAccuracy ? ".3~%" : undefined);
    layout.yaxis = { ...layout.yaxis, rangemode: "normal", title: { text: measures.length > 1 ? measures[0].split(" ").at(-1) : measures[0] } };
    if (isAccuracy && traces.every(({ y }) => y.length < 2)) layout.yaxis = fractionAxis(layout.yaxis);
    if (measures.length > 1) layout.yaxis.range = lateRange(traces); // the steep beginning would hide the distance between the two curves
    hideTicksIfEmpty(layout, traces);
    return Plotly.react(this.chart, traces, { ...layout, uirevision: `${measures} ${axis} ${this.content}` }, CONFIG);
  }
}

export default mount(".overlay", (element) => new Overlay(element));
