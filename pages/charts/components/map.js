// Images as points in the plane. In: places, classes, probabilities and a sheet of thumbnails, of which a piece is shown at the point under the
// pointer. Triggers: "pinned" is the row of a point that was pressed, "chosen" the rows of those that a loop or box went around.
// What is hidden, the tool and the zoom belong to the browser: a rerun of the page does not change them. After a drawing: "map:drawn".

const THUMB = 80; // CSS pixels of the thumbnail beside the pointer
const FEW = 0.2; // the share of mistakes up to which each has an outline; of more, the outlines hid the colours
const PATIENCE = 10_000; // milliseconds in which the images have to appear to be scrolled to
const maps = new WeakMap();
const inPercent = (share) => `${(100 * share).toFixed(share < 0.0995 || share > 0.9949 ? 1 : 0)} %`;
const images = (count) => `${count.toLocaleString("en")} ${count === 1 ? "image" : "images"}`;

// SVG draws these few thousand points too, where the graphics card is not to be had.
const kindOfTrace = () => {
  const context = document.createElement("canvas").getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context ? "scattergl" : "scatter";
};

class ImageMap {
  constructor(element, send) {
    Object.assign(this, { element, send, off: new Set(), kind: kindOfTrace() });
    for (const part of ["chart", "frame", "tip", "thumb", "legend", "note", "wrong"]) this[part] = element.querySelector(`.map-${part}`);
    this.tools = [...element.querySelectorAll("[data-tool]")];
    this.tools.forEach((button) => { button.onclick = () => this.take(button.dataset.tool); });
    element.querySelector(".map-group").onkeydown = (event) => this.nextTool(event);
    this.take(matchMedia("(pointer: coarse)").matches ? "none" : "lasso");
    element.querySelector("[data-do=whole]").onclick = () => window.Plotly.relayout(this.chart, { "xaxis.autorange": true, "yaxis.autorange": true });
    this.wrong.onchange = () => this.draw();
    this.themeWatch = setInterval(() => this.colours && JSON.stringify(coloursOf(element)) !== this.colours && this.draw(), 1000);
  }

  take(tool) {
    this.tool = tool;
    for (const button of this.tools) {
      button.setAttribute("aria-checked", button.dataset.tool === tool);
      button.tabIndex = button.dataset.tool === tool ? 0 : -1;
    }
    if (this.chart.data) window.Plotly.relayout(this.chart, { dragmode: this.dragmode });
  }

  nextTool(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = this.tools.at((this.tools.findIndex((button) => button.dataset.tool === this.tool) + step) % this.tools.length);
    this.take(next.dataset.tool);
    next.focus();
  }

  get dragmode() {
    return this.tool === "none" ? false : this.tool;
  }

  show(data) {
    const before = this.data;
    this.data = data;
    if (data.sheet !== before?.sheet) this.fetchSheet();
    if (data.by !== before?.by) this.off.clear();
    const content = JSON.stringify([data.id, data.by]);
    if (content !== this.content) this.draw();
    else if (JSON.stringify([data.pinned, data.chosen]) !== JSON.stringify([before.pinned, before.chosen])) this.mark();
    this.content = content;
    if (before && data.turn !== before.turn) data.place ? this.reveal(data.place) : this.comeBack();
    this.tell();
  }

  fetchSheet() {
    const url = new URL(this.data.sheet, appRoot()).href, picture = new Image();
    this.sheetUrl = undefined;
    picture.onload = () => { this.sheetUrl = url; };
    picture.onerror = () => { this.problem = "The thumbnails could not be fetched. Reload the page to see them."; this.tell(); };
    picture.src = url;
  }

  tell() {
    const { said } = this.data;
    this.note.textContent = this.problem ?? said;
  }

  isShown(row) {
    const { truth, predicted, group } = this.data;
    return !this.off.has(group[row]) && !(this.wrong.checked && truth[row] === predicted[row]);
  }

  // Rows of the points of every group, those that are right before those that are wrong, which lie above them.
  lists() {
    const { groups, group, truth, predicted } = this.data, lists = [false, true].flatMap((isWrong) => groups.map((_, at) => ({ at, isWrong, rows: [] })));
    group.forEach((at, row) => { if (this.isShown(row)) lists[at + (truth[row] === predicted[row] ? 0 : groups.length)].rows.push(row); });
    return lists.filter((list) => list.rows.length);
  }

  trace({ at, isWrong, rows }, c) {
    const [name, tone] = this.data.groups[at], { x, y } = this.data, isSecond = tone >= c.all.length;
    const symbol = isWrong ? (isSecond ? "cross" : "x") : tone < 0 ? "circle-open" : isSecond ? "square" : "circle";
    return {
      type: this.kind, mode: "markers", name: plain(name), showlegend: false, hoverinfo: "none", customdata: rows,
      x: rows.map((row) => x[row]), y: rows.map((row) => y[row]), selectedpoints: this.positions(rows),
      marker: { symbol, color: this.colourOf(tone, c), size: isWrong ? 8 : 6, opacity: isWrong ? 1 : 0.7, line: { width: isWrong && this.areFew ? 1 : 0, color: c.text } },
      unselected: { marker: { opacity: 0.12 } },
    };
  }

  colourOf(tone, c) {
    return tone < 0 ? c.text : c.all[tone % c.all.length];
  }

  positions(rows) {
    const chosen = new Set(this.data.chosen);
    return chosen.size ? rows.flatMap((row, position) => (chosen.has(row) ? [position] : [])) : null;
  }

  ring(c) {
    const { pinned, x, y } = this.data, rows = pinned === null || !this.isShown(pinned) ? [] : [pinned];
    return {
      type: this.kind, mode: "markers", hoverinfo: "skip", showlegend: false, x: rows.map((row) => x[row]), y: rows.map((row) => y[row]),
      marker: { symbol: "circle-open", size: 18, color: c.text, line: { width: 3, color: c.text } }, unselected: { marker: { opacity: 1 } },
    };
  }

  async draw() {
    const Plotly = await loadPlotly().catch(() => undefined);
    if (!Plotly) return void (this.note.textContent = "The chart library could not be loaded. Reload the page.");
    const c = coloursOf(this.element), { id, axes, isEqual, groups, truth, predicted } = this.data;
    this.colours = JSON.stringify(c);
    this.drawLegend(c);
    this.areFew = predicted.filter((label, row) => label !== truth[row]).length <= FEW * truth.length;
    const traces = [...this.lists().map((list) => this.trace(list, c)), this.ring(c)];
    const axis = (title) => ({ title: { text: title, standoff: 6 }, showticklabels: false, zeroline: false, gridcolor: c.grid, linecolor: c.grid, color: c.text, fixedrange: false });
    const layout = {
      ...chartLayout(c, ""), margin: { l: 26, r: 6, t: 6, b: 28 }, showlegend: false, dragmode: this.dragmode, uirevision: id, selectionrevision: `${this.data.turn}`, selections: [],
      xaxis: axis(axes[0]), yaxis: { ...axis(axes[1]), ...(isEqual ? { scaleanchor: "x" } : {}) },
      newselection: { line: { color: c.text, width: 1.5, dash: "dot" } },
    };
    const shown = traces.slice(0, -1).reduce((sum, trace) => sum + trace.x.length, 0);
    this.chart.setAttribute("aria-label", `Map of ${images(shown)}: ${axes.join(" against ") || "near points are alike"}. ${groups.length} colours. A table of the same points can be shown below.`);
    const isNew = !this.chart.data;
    await Plotly.react(this.chart, traces, layout, { ...CONFIG, doubleClick: "reset" });
    if (isNew) this.listen();
    this.element.dispatchEvent(new CustomEvent("map:drawn", { detail: { points: shown } }));
  }

  drawLegend(c) {
    const { groups, group } = this.data, counts = groups.map(() => 0);
    for (const at of group) counts[at] += 1;
    this.legend.replaceChildren(...groups.map(([name, tone], at) => {
      const [button, swatch, text, count] = ["button", "i", "span", "small"].map((tag) => document.createElement(tag));
      swatch.className = tone >= c.all.length ? "second" : "";
      swatch.style.background = tone < 0 ? "none" : this.colourOf(tone, c);
      if (tone < 0) swatch.style.border = `1px solid ${c.text}`;
      Object.assign(text, { textContent: name });
      count.textContent = counts[at].toLocaleString("en");
      Object.assign(button, { type: "button", title: `${name}: press to hide or show, twice to show it alone`, onclick: () => this.press(at) });
      button.setAttribute("aria-pressed", !this.off.has(at));
      button.append(swatch, text, count);
      return button;
    }));
  }

  // The second of two quick presses on one group shows it alone; where it stands alone already, all of them.
  press(at) {
    const isSecond = this.pressed?.at === at && performance.now() - this.pressed.when < 400, before = this.pressed?.off;
    this.pressed = { at, when: performance.now(), off: new Set(this.off) };
    if (isSecond) {
      const others = this.data.groups.map((_, other) => other).filter((other) => other !== at), isAlone = !before.has(at) && others.every((other) => before.has(other));
      this.off = new Set(isAlone ? [] : others);
    } else if (!this.off.delete(at)) this.off.add(at);
    this.draw().then(() => this.legend.children[at]?.focus());
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
    const isDragged = this.isDragging, isOld = rows.length === this.data.chosen.length && this.positions(rows)?.length === rows.length;
    this.isDragging = false;
    if (rows.length && !isOld) this.send("chosen", rows);
    else if (!rows.length && isDragged) { // not where it is told of a selection that was taken away
      this.mark();
      this.note.textContent = "There is no point in there.";
    }
  }

  showTip(row, event) {
    if (row === undefined) return;
    const { names, truth, predicted, share, number, part, side, columns } = this.data, isRight = truth[row] === predicted[row];
    const style = this.thumb.style, [left, top] = [row % columns, Math.floor(row / columns)];
    style.backgroundImage = this.sheetUrl ? `url("${this.sheetUrl}")` : "none";
    style.backgroundSize = `${columns * THUMB}px auto`;
    style.backgroundPosition = `${-left * THUMB}px ${-top * THUMB}px`;
    style.imageRendering = side < THUMB ? "pixelated" : "auto";
    const verdict = isRight ? "✓ right" : `✗ is ${names[truth[row]]}`;
    this.tip.lastElementChild.textContent = `${names[predicted[row]]} ${inPercent(share[row])}\n${verdict}\n${part} image ${number[row]}`;
    Object.assign(this.tip.dataset, { row, number: number[row] });
    this.tip.hidden = false;
    this.placeTip(event);
  }

  placeTip({ clientX, clientY }) {
    const frame = this.frame.getBoundingClientRect(), { offsetWidth, offsetHeight, style } = this.tip;
    const [x, y] = [clientX - frame.left, clientY - frame.top], right = x + 14;
    style.left = `${Math.max(0, right + offsetWidth > frame.width ? Math.min(x - 14, frame.width) - offsetWidth : right)}px`;
    style.top = `${Math.max(0, Math.min(y - offsetHeight / 2, frame.height - offsetHeight))}px`;
  }

  // What is pinned and chosen now, without drawing the rest again.
  async mark() {
    if (!this.chart.data) return;
    const traces = this.chart.data, last = traces.length - 1, { x, y } = this.ring(coloursOf(this.element)), { Plotly } = window;
    await Plotly.restyle(this.chart, { x: [x], y: [y] }, [last]);
    const points = [...traces.keys()].slice(0, last);
    if (points.length) await Plotly.restyle(this.chart, { selectedpoints: points.map((at) => this.positions(traces[at].customdata)) }, points);
    if (!this.data.chosen.length && this.chart.layout.selections?.length) await Plotly.relayout(this.chart, { selections: [] });
  }

  reveal(place) {
    const began = performance.now();
    clearInterval(this.watch);
    this.watch = setInterval(() => {
      const heading = document.querySelector(`.st-key-${place}`);
      if (heading || performance.now() - began > PATIENCE) clearInterval(this.watch);
      heading?.scrollIntoView({ block: "nearest" });
    }, 30);
  }

  comeBack() {
    clearInterval(this.watch);
    this.element.style.scrollMarginTop = "4.5rem"; // below the bar at the top of the page
    this.element.scrollIntoView({ block: "start" });
    this.tools.find((button) => button.tabIndex === 0).focus({ preventScroll: true });
  }

  close() {
    clearInterval(this.watch);
    clearInterval(this.themeWatch);
    if (window.Plotly) window.Plotly.purge(this.chart);
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const element = parentElement.querySelector(".map");
  let map = maps.get(element);
  if (!map) maps.set(element, (map = new ImageMap(element, setTriggerValue)));
  map.show(data);
  return () => {
    setTimeout(() => { if (!element.isConnected) { map.close(); maps.delete(element); } }, 0);
  };
}
