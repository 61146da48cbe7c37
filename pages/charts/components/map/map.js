// A scatter plot of images, with a thumbnail at the pointer. In: positions, classes, probabilities, and a sheet of all thumbnails, of which one is
// shown. Triggers: "pinned" is the row of a clicked point, "chosen" the rows of the points inside a lasso or a box. Hidden groups, the tool and the
// zoom belong to the browser: a rerun of the page does not change them. After each drawing it dispatches "map:drawn".

import { mount } from "../shared/component.js";
import { findParts, listStep, make, moveTabStop } from "../shared/dom.js";
import { formatCount, formatImages, formatPercent } from "../shared/format.js";
import { CONFIG, ChartView, appRoot, curveLayout, escapeHtml } from "../shared/plotly.js";
import { Scroller } from "../shared/scrolling.js";
import { readTheme } from "../shared/theme.js";

const THUMB = 80; // CSS pixels of the thumbnail at the pointer
const FEW = 0.2; // fraction of mistakes up to which each has an outline; with more, the outlines would hide the colours
const DOUBLE_CLICK = 400; // milliseconds

// Return the kind of trace: SVG draws a few thousand points too, where there is no WebGL.
function traceType() {
  const context = document.createElement("canvas").getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context ? "scattergl" : "scatter";
}

class ImageMap extends ChartView {
  constructor(element, send) {
    super(element, [element.querySelector(".map-chart")]);
    Object.assign(this, { send, hidden: new Set(), type: traceType(), scroller: new Scroller() });
    Object.assign(this, findParts(element, "map", ["chart", "frame", "tip", "thumb", "legend", "note", "wrong"]));
    this.tools = [...element.querySelectorAll("[data-tool]")];
    for (const button of this.tools) {
      button.tabIndex = -1;
      button.onclick = () => this.selectTool(button);
    }
    element.querySelector(".map-group").onkeydown = (event) => this.moveTool(event);
    const first = matchMedia("(pointer: coarse)").matches ? "none" : "lasso";
    this.selectTool(this.tools.find((button) => button.dataset.tool === first));
    element.querySelector("[data-do=reset]").onclick = () => window.Plotly.relayout(this.chart, { "xaxis.autorange": true, "yaxis.autorange": true });
    this.wrong.onchange = () => this.drawNow();
  }

  selectTool(button) {
    for (const other of this.tools) other.setAttribute("aria-checked", other === button);
    moveTabStop(this.tool, button);
    this.tool = button;
    if (this.chart.data) window.Plotly.relayout(this.chart, { dragmode: this.dragmode });
  }

  moveTool(event) {
    const step = listStep(event);
    if (!step) return;
    event.preventDefault();
    this.selectTool(this.tools.at((this.tools.indexOf(this.tool) + step) % this.tools.length));
    this.tool.focus();
  }

  get dragmode() {
    const { tool } = this.tool.dataset;
    return tool === "none" ? false : tool;
  }

  get hasData() {
    return Boolean(this.data);
  }

  onFailure(error) {
    super.onFailure(error);
    this.note.textContent = "The map could not be drawn. Reload the page.";
  }

  show(data) {
    const before = this.data;
    this.data = data;
    if (data.sheet !== before?.sheet) this.fetchSheet();
    if (data.by !== before?.by) this.hidden.clear();
    const content = JSON.stringify([data.id, data.by]);
    if (content !== this.content) this.drawNow();
    else if (JSON.stringify([data.pinned, data.chosen]) !== JSON.stringify([before.pinned, before.chosen])) this.mark();
    this.content = content;
    if (before && data.turn !== before.turn) data.container ? this.scroller.reveal(data.container, "nearest") : this.comeBack();
    this.showNote();
  }

  fetchSheet() {
    const url = new URL(this.data.sheet, appRoot()).href, image = new Image();
    this.sheetUrl = undefined;
    image.onload = () => { this.sheetUrl = url; };
    image.onerror = () => { this.problem = "The thumbnails could not be loaded. Reload the page."; this.showNote(); };
    image.src = url;
  }

  showNote() {
    this.note.textContent = this.problem ?? this.data.note;
  }

  isWrong(row) {
    return this.data.labels[row] !== this.data.predicted[row];
  }

  isShown(row) {
    return !this.hidden.has(this.data.group[row]) && !(this.wrong.checked && !this.isWrong(row));
  }

  // Rows of the points of every group, first the correct ones, then the mistakes, which are drawn above them.
  groupRows() {
    const { groups, group } = this.data, lists = [false, true].flatMap((isWrong) => groups.map((_, at) => ({ at, isWrong, rows: [] })));
    group.forEach((at, row) => { if (this.isShown(row)) lists[at + (this.isWrong(row) ? groups.length : 0)].rows.push(row); });
    return lists.filter((list) => list.rows.length);
  }

  trace({ at, isWrong, rows }, theme) {
    const [name, number] = this.data.groups[at], { x, y } = this.data, isSecond = number >= theme.categorical.length;
    const symbol = isWrong ? (isSecond ? "cross" : "x") : number < 0 ? "circle-open" : isSecond ? "square" : "circle";
    return {
      type: this.type, mode: "markers", name: escapeHtml(name), showlegend: false, hoverinfo: "none", customdata: rows,
      x: rows.map((row) => x[row]), y: rows.map((row) => y[row]), selectedpoints: this.chosenPoints(rows),
      marker: { symbol, color: this.colour(number, theme), size: isWrong ? 8 : 6, opacity: isWrong ? 1 : 0.7, line: { width: isWrong && this.areFew ? 1 : 0, color: theme.text } },
      unselected: { marker: { opacity: 0.12 } },
    };
  }

  colour(number, theme) {
    return number < 0 ? theme.text : theme.categorical[number % theme.categorical.length];
  }

  // The places of the chosen rows in a list of rows; null where none is chosen.
  chosenPoints(rows) {
    const chosen = new Set(this.data.chosen);
    return chosen.size ? rows.flatMap((row, at) => (chosen.has(row) ? [at] : [])) : null;
  }

  ring(theme) {
    const { pinned, x, y } = this.data, rows = pinned === null || !this.isShown(pinned) ? [] : [pinned];
    return {
      type: this.type, mode: "markers", hoverinfo: "skip", showlegend: false, x: rows.map((row) => x[row]), y: rows.map((row) => y[row]),
      marker: { symbol: "circle-open", size: 18, color: theme.text, line: { width: 3, color: theme.text } }, unselected: { marker: { opacity: 1 } },
    };
  }

  layout(theme) {
    const { id, axes, isEqual, turn } = this.data;
    const axis = (title) => ({ title: { text: title, standoff: 6 }, showticklabels: false, zeroline: false, gridcolor: theme.grid, linecolor: theme.grid, color: theme.text, fixedrange: false });
    return {
      ...curveLayout(theme, ""), margin: { l: 26, r: 6, t: 6, b: 28 }, showlegend: false, dragmode: this.dragmode, uirevision: id, selectionrevision: `${turn}`, selections: [],
      xaxis: axis(axes[0]), yaxis: { ...axis(axes[1]), ...(isEqual ? { scaleanchor: "x" } : {}) },
      newselection: { line: { color: theme.text, width: 1.5, dash: "dot" } },
    };
  }

  async draw(Plotly, theme) {
    const { axes, groups, labels } = this.data;
    this.drawLegend(theme);
    this.areFew = labels.filter((_, row) => this.isWrong(row)).length <= FEW * labels.length;
    const lists = this.groupRows(), count = lists.reduce((total, { rows }) => total + rows.length, 0);
    const about = axes.every(Boolean) ? axes.join(" against ") : "similar images are near each other";
    this.chart.setAttribute("aria-label", `Map of ${formatImages(count)}: ${about}. ${groups.length} colours. A table of the same points can be shown below.`);
    const isNew = !this.chart.data, traces = [...lists.map((list) => this.trace(list, theme)), this.ring(theme)];
    await Plotly.react(this.chart, traces, this.layout(theme), { ...CONFIG, doubleClick: "reset" });
    if (isNew) this.listen();
    this.element.dispatchEvent(new CustomEvent("map:drawn", { detail: { points: count } }));
  }

  drawLegend(theme) {
    const { groups, group } = this.data, counts = groups.map(() => 0);
    for (const at of group) counts[at] += 1;
    this.legend.replaceChildren(...groups.map(([name, number], at) => {
      const title = `${name}: click to hide or show, double-click to show only this one`;
      const button = make("button", undefined, { type: "button", title, "aria-pressed": !this.hidden.has(at) });
      const swatch = make("i", undefined, { class: number >= theme.categorical.length ? "second" : "" });
      swatch.style.background = number < 0 ? "none" : this.colour(number, theme);
      if (number < 0) swatch.style.border = `1px solid ${theme.text}`;
      button.onclick = () => this.toggleGroup(at);
      button.append(swatch, make("span", name), make("small", formatCount(counts[at])));
      return button;
    }));
  }

  // The second of two quick clicks on a group shows only this one; where it is the only one already, all.
  toggleGroup(at) {
    const now = performance.now(), isSecond = this.clicked?.at === at && now - this.clicked.time < DOUBLE_CLICK, before = this.clicked?.hidden;
    this.clicked = { at, time: now, hidden: new Set(this.hidden) };
    if (isSecond) {
      const others = this.data.groups.map((_, other) => other).filter((other) => other !== at), isAlone = !before.has(at) && others.every((other) => before.has(other));
      this.hidden = new Set(isAlone ? [] : others);
    } else if (!this.hidden.delete(at)) this.hidden.add(at);
    this.drawNow().then(() => this.legend.children[at]?.focus());
  }

  listen() {
    this.chart.on("plotly_hover", ({ points, event }) => this.showTip(points[0].customdata, event));
    this.chart.on("plotly_unhover", () => { this.tip.hidden = true; });
    this.chart.on("plotly_click", ({ points }) => this.send("pinned", points[0].customdata));
    this.chart.on("plotly_selecting", () => { this.isDragging = true; });
    this.chart.on("plotly_selected", (event) => event?.points && this.choose(event.points));
    this.chart.on("plotly_deselect", () => this.data.chosen.length && this.send("chosen", []));
  }

  choose(points) {
    const rows = points.map((point) => point.customdata).filter((row) => row !== undefined);
    const isDragged = this.isDragging, isKnown = rows.length === this.data.chosen.length && this.chosenPoints(rows)?.length === rows.length;
    this.isDragging = false;
    if (rows.length && !isKnown) this.send("chosen", rows);
    else if (!rows.length && isDragged) { // not where a selection was only removed
      this.mark();
      this.note.textContent = "There is no image in this area. Draw around at least one point.";
    }
  }

  showTip(row, event) {
    if (row === undefined) return;
    const { classes, labels, predicted, probability, number, split, side, columns } = this.data, { style } = this.thumb;
    const [left, top] = [row % columns, Math.floor(row / columns)], p = probability[row];
    style.backgroundImage = this.sheetUrl ? `url("${this.sheetUrl}")` : "none";
    style.backgroundSize = `${columns * THUMB}px auto`;
    style.backgroundPosition = `${-left * THUMB}px ${-top * THUMB}px`;
    style.imageRendering = side < THUMB ? "pixelated" : "auto";
    const verdict = this.isWrong(row) ? `✗ true class: ${classes[labels[row]]}` : "✓ correct";
    this.tip.lastElementChild.textContent = `${classes[predicted[row]]} ${formatPercent(p, p < 0.0995 || p > 0.9949 ? 1 : 0)}\n${verdict}\n${split} image ${number[row]}`;
    Object.assign(this.tip.dataset, { row, number: number[row], correct: !this.isWrong(row) });
    this.tip.hidden = false;
    this.placeTip(event);
  }

  placeTip({ clientX, clientY }) {
    const frame = this.frame.getBoundingClientRect(), { offsetWidth, offsetHeight, style } = this.tip;
    const [x, y] = [clientX - frame.left, clientY - frame.top], right = x + 14;
    style.left = `${Math.max(0, right + offsetWidth > frame.width ? Math.min(x - 14, frame.width) - offsetWidth : right)}px`;
    style.top = `${Math.max(0, Math.min(y - offsetHeight / 2, frame.height - offsetHeight))}px`;
  }

  // Show which points are pinned and chosen now, without drawing the others again.
  async mark() {
    if (!this.chart.data) return;
    const traces = this.chart.data, last = traces.length - 1, { x, y } = this.ring(readTheme(this.element)), { Plotly } = window;
    await Plotly.restyle(this.chart, { x: [x], y: [y] }, [last]);
    const points = [...traces.keys()].slice(0, last);
    if (points.length) await Plotly.restyle(this.chart, { selectedpoints: points.map((at) => this.chosenPoints(traces[at].customdata)) }, points);
    if (!this.data.chosen.length && this.chart.layout.selections?.length) await Plotly.relayout(this.chart, { selections: [] });
  }

  comeBack() {
    this.scroller.stop();
    this.scroller.scrollTo(this.element);
    this.tool.focus({ preventScroll: true });
  }

  close() {
    this.scroller.stop();
    super.close();
  }
}

export default mount(".map", (element, { setTriggerValue }) => new ImageMap(element, setTriggerValue));
