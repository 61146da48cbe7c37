// A page to draw on. State "drawing" is {image: PNG data URL or null, strokes, turn}, sent when the pen lifts and, where the page asks
// for it, while it moves: at most every PAUSE, and not before the page has put up its answer to the last one (an element
// .draw-answered with that turn). A stroke is {colour, width, points: [[x, y], …]} in canvas pixels, so that a kept drawing can be drawn again.

const PAUSE = 250, LOOK_AGAIN = 40; // milliseconds
const PEN_ERASER = 5; // the button that a pen's other end presses
const boards = new WeakMap();

class Board {
  constructor(element, { ink, strokes, turn, live }) {
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.pen = this.canvas.getContext("2d");
    [this.size, this.colour] = ["range", "color"].map((type) => element.querySelector(`input[type=${type}]`));
    Object.assign(this, { isInk: ink, isLive: live, turn, strokes: structuredClone(strokes), tool: "brush", sentAt: 0, future: [] });
    this.past = this.strokes.map((_, count) => this.strokes.slice(0, count));
    this.listen();
    this.show();
  }

  listen() {
    const { canvas, element } = this;
    for (const button of element.querySelectorAll("[data-do]")) button.onclick = () => this[button.dataset.do]();
    for (const button of element.querySelectorAll("[data-tool]")) button.onclick = () => { this.tool = button.dataset.tool; this.show(); };
    canvas.onpointerdown = (event) => this.begin(event);
    canvas.onpointermove = (event) => this.move(event);
    canvas.onpointerup = canvas.onpointercancel = (event) => this.lift(event);
    element.onkeydown = (event) => this.press(event);
  }

  get paper() { return this.isInk ? "#000000" : "#ffffff"; }

  at(event) {
    const box = this.canvas.getBoundingClientRect(), scale = this.canvas.width / box.width;
    return [Math.round((event.clientX - box.left) * scale), Math.round((event.clientY - box.top) * scale)];
  }

  begin(event) {
    if (this.current || (event.button && event.button !== PEN_ERASER)) return; // one finger draws, others wait
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    const erases = this.tool === "eraser" || event.button === PEN_ERASER;
    const colour = erases ? this.paper : this.isInk ? "#ffffff" : this.colour.value;
    this.current = { colour, width: Number(this.size.value), points: [this.at(event)] };
    this.change([...this.strokes, this.current]);
    this.tellSoon();
  }

  move(event) {
    if (!this.current || event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [], { points } = this.current, from = points.length - 1;
    for (const each of events.length ? events : [event]) points.push(this.at(each));
    this.line(this.current, from);
    this.tellSoon();
  }

  lift(event) {
    if (!this.current || event.pointerId !== this.pointer) return;
    this.current = null;
    this.tell();
  }

  press(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || this.current) return;
    const step = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    this[step]();
  }

  // Steps: the strokes before each of them, and those that were taken back.
  change(strokes) {
    this.past.push(this.strokes);
    this.future = [];
    this.strokes = strokes;
    this.show();
  }

  undo() { this.turnPage(this.past, this.future); }
  redo() { this.turnPage(this.future, this.past); }

  turnPage(from, to) {
    if (!from.length) return;
    to.push(this.strokes);
    this.strokes = from.pop();
    this.show();
    this.tell();
  }

  clear() {
    if (!this.strokes.length) return;
    this.change([]);
    this.tell();
  }

  tell() {
    clearTimeout(this.timer);
    this.timer = null;
    this.paint();
    this.turn += 1;
    this.sentAt = performance.now();
    this.canvas.dataset.turn = this.turn;
    this.send({ image: this.strokes.length ? this.canvas.toDataURL("image/png") : null, strokes: this.strokes, turn: this.turn });
  }

  tellSoon() {
    if (!this.isLive || this.timer) return;
    const look = () => {
      this.timer = null;
      if (!this.current) return;
      if (this.isAnswered()) this.tell();
      else this.timer = setTimeout(look, LOOK_AGAIN);
    };
    this.timer = setTimeout(look, Math.max(0, PAUSE - (performance.now() - this.sentAt)));
  }

  isAnswered() {
    const mark = document.querySelector(".draw-answered");
    return mark !== null && Number(mark.dataset.turn) >= this.turn;
  }

  show() {
    const { element } = this;
    element.querySelector(".draw-colour").hidden = this.isInk;
    for (const button of element.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === this.tool);
    for (const [name, steps] of [["undo", this.past], ["redo", this.future], ["clear", this.strokes]]) element.querySelector(`[data-do=${name}]`).disabled = !steps.length;
    this.paint();
  }

  paint() {
    this.pen.fillStyle = this.paper;
    this.pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    for (const stroke of this.strokes) this.line(stroke, 0);
  }

  line({ colour, width, points }, from) {
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

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const element = parentElement.querySelector(".draw");
  let board = boards.get(element);
  if (!board) boards.set(element, (board = new Board(element, data)));
  board.send = (drawing) => setStateValue("drawing", drawing);
  board.isLive = data.live;
  if (board.isInk !== data.ink) {
    board.isInk = data.ink;
    board.show();
  }
}
