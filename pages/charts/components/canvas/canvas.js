// A canvas to draw on. State "drawing" is { image: PNG data URL or null, strokes, turn }. It is sent at the end of a stroke and, if isLive,
// during a stroke: at most every PAUSE, and not before the page has shown the prediction for the last drawing (an element .draw-answered with its turn). A
// stroke is { colour, width, points: [[x, y], …] } in canvas pixels, so that a saved drawing can be drawn again.

import { mount } from "../shared/component.js";

const PAUSE = 250, RETRY = 40; // milliseconds
const SMALL = 0.5, USUAL = 0.72, DOT = 8; // of the canvas's side: a drawing that is enlarged, and its size then; pixels: a dot is left as it is
const SILENCE = 1000; // milliseconds after the last stroke until the prediction is announced
const PEN_ERASER = 5; // the number of the eraser button of a pen

// Return the strokes enlarged to the usual size in the middle of the canvas, where all of them are small; pens keep their widths, which would
// otherwise fill a small digit. side: of the canvas, pixels. Erased drawings stay as they are.
export function enlarge(strokes, side, paper) {
  if (!strokes.length || strokes.some(({ colour }) => colour === paper)) return strokes;
  const points = strokes.flatMap((stroke) => stroke.points);
  const [left, right, top, bottom] = [0, 1].flatMap((axis) => [Math.min, Math.max].map((choose) => points.reduce((found, point) => choose(found, point[axis]), points[0][axis])));
  const extent = Math.max(right - left, bottom - top);
  if (extent < DOT || extent >= SMALL * side) return strokes;
  const scale = (USUAL * side) / extent, move = (value, low, high) => (value - (low + high) / 2) * scale + side / 2;
  return strokes.map((stroke) => ({ ...stroke, points: stroke.points.map(([x, y]) => [move(x, left, right), move(y, top, bottom)]) }));
}

class Canvas {
  constructor(element, { isInk, strokes, turn, isLive }) {
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.pen = this.canvas.getContext("2d");
    [this.size, this.colour] = ["range", "color"].map((type) => element.querySelector(`input[type=${type}]`));
    Object.assign(this, { isInk, isLive, turn, strokes: structuredClone(strokes), tool: "brush", sentAt: 0, future: [] });
    this.past = this.strokes.map((_, count) => this.strokes.slice(0, count));
    this.listen();
    this.update();
  }

  show({ isInk, isLive }, { setStateValue }) {
    Object.assign(this, { setStateValue, isLive });
    if (isInk === this.isInk) return;
    this.isInk = isInk;
    this.update();
  }

  listen() {
    const { canvas, element } = this;
    for (const button of element.querySelectorAll("[data-do]")) button.onclick = () => this[button.dataset.do]();
    for (const button of element.querySelectorAll("[data-tool]")) button.onclick = () => { this.tool = button.dataset.tool; this.update(); };
    canvas.onpointerdown = (event) => this.beginStroke(event);
    canvas.onpointermove = (event) => this.continueStroke(event);
    canvas.onpointerup = canvas.onpointercancel = (event) => this.endStroke(event);
    element.onkeydown = (event) => this.press(event);
  }

  get paper() { return this.isInk ? "#000000" : "#ffffff"; }

  pointAt(event) {
    const box = this.canvas.getBoundingClientRect(), scale = this.canvas.width / box.width;
    return [event.clientX - box.left, event.clientY - box.top].map((length) => Math.round(4 * length * scale) / 4);
  }

  beginStroke(event) {
    if (this.stroke || (event.button && event.button !== PEN_ERASER)) return; // one finger draws, others are ignored
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    const isEraser = this.tool === "eraser" || event.button === PEN_ERASER;
    const colour = isEraser ? this.paper : this.isInk ? "#ffffff" : this.colour.value;
    this.stroke = { colour, width: Number(this.size.value), points: [this.pointAt(event)] };
    this.change([...this.strokes, this.stroke]);
    this.sendSoon();
  }

  continueStroke(event) {
    if (!this.stroke || event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [], { points } = this.stroke, from = points.length - 1;
    for (const each of events.length ? events : [event]) points.push(this.pointAt(each));
    this.paintStroke(this.stroke, from);
    this.sendSoon();
  }

  endStroke(event) {
    if (!this.stroke || event.pointerId !== this.pointer) return;
    this.stroke = null;
    this.send();
  }

  press(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || this.stroke) return;
    const action = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    this[action]();
  }

  // `past` has the strokes before each change, `future` those that were undone.
  change(strokes) {
    this.past.push(this.strokes);
    this.future = [];
    this.strokes = strokes;
    this.update();
  }

  undo() { this.step(this.past, this.future); }
  redo() { this.step(this.future, this.past); }

  step(from, to) {
    if (!from.length) return;
    to.push(this.strokes);
    this.strokes = from.pop();
    this.update();
    this.send();
  }

  clear() {
    if (!this.strokes.length) return;
    this.change([]);
    this.send();
  }

  send() {
    clearTimeout(this.timer);
    this.timer = null;
    this.paint();
    this.turn += 1;
    this.sentAt = performance.now();
    this.canvas.dataset.turn = this.turn;
    this.setStateValue("drawing", { image: this.strokes.length ? this.toImage() : null, strokes: this.strokes, turn: this.turn });
    clearTimeout(this.announcing);
    this.announcing = setTimeout(() => this.announce(), SILENCE);
  }

  // Ink is sent enlarged where it is small; the canvas shows it as it was drawn.
  toImage() {
    const strokes = this.isInk ? enlarge(this.strokes, this.canvas.width, this.paper) : this.strokes;
    if (strokes === this.strokes) return this.canvas.toDataURL("image/png");
    const shown = this.pen, other = Object.assign(document.createElement("canvas"), { width: this.canvas.width, height: this.canvas.height });
    this.pen = other.getContext("2d");
    this.paint(strokes);
    this.pen = shown;
    return other.toDataURL("image/png");
  }

  announce() {
    if (this.stroke) return; // its end announces
    if (this.isAnswered()) this.element.querySelector("[role=status]").textContent = document.querySelector(".draw-answered").textContent;
    else if (this.element.isConnected) this.announcing = setTimeout(() => this.announce(), RETRY);
  }

  sendSoon() {
    if (!this.isLive || this.timer) return;
    const trySend = () => {
      this.timer = null;
      if (!this.stroke) return;
      if (this.isAnswered()) this.send();
      else this.timer = setTimeout(trySend, RETRY);
    };
    this.timer = setTimeout(trySend, Math.max(0, PAUSE - (performance.now() - this.sentAt)));
  }

  isAnswered() {
    const mark = document.querySelector(".draw-answered");
    return mark !== null && Number(mark.dataset.turn) >= this.turn;
  }

  update() {
    const { element } = this;
    element.querySelector(".draw-colour").hidden = this.isInk;
    for (const button of element.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === this.tool);
    for (const [name, steps] of [["undo", this.past], ["redo", this.future], ["clear", this.strokes]]) element.querySelector(`[data-do=${name}]`).disabled = !steps.length;
    this.paint();
  }

  paint(strokes = this.strokes) {
    this.pen.fillStyle = this.paper;
    this.pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    for (const stroke of strokes) this.paintStroke(stroke, 0);
  }

  paintStroke({ colour, width, points }, from) {
    const { pen } = this;
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(...points[from]);
    for (const point of points.slice(from)) pen.lineTo(...point);
    pen.stroke();
  }
}

export default mount(".draw", (element, { data }) => new Canvas(element, data));
