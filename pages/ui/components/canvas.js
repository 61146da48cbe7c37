// A page to draw on. State "drawing" is {image: PNG data URL or null, strokes}, sent when the pen lifts.
// A stroke is {colour, width, points: [[x, y], …]} in canvas pixels, so that a kept drawing can be drawn again.

const boards = new WeakMap();

class Board {
  constructor(element, isInk, strokes, send) {
    this.canvas = element.querySelector("canvas");
    this.pen = this.canvas.getContext("2d");
    this.colour = element.querySelector("input[type=color]");
    this.width = element.querySelector("input[type=range]");
    this.strokes = strokes;
    this.isInk = isInk;
    this.send = send;
    element.querySelector(".draw-colour").hidden = isInk;
    element.querySelector(".draw-colour").style.display = isInk ? "none" : "";
    element.querySelector("[data-do=undo]").onclick = () => { this.strokes.pop(); this.finish(); };
    element.querySelector("[data-do=clear]").onclick = () => { this.strokes = []; this.finish(); };
    this.canvas.onpointerdown = (event) => this.begin(event);
    this.canvas.onpointermove = (event) => this.move(event);
    this.canvas.onpointerup = this.canvas.onpointercancel = () => this.lift();
    this.paint();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect(), scale = this.canvas.width / box.width;
    return [Math.round((event.clientX - box.left) * scale), Math.round((event.clientY - box.top) * scale)];
  }

  begin(event) {
    if (event.button) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.current = { colour: this.isInk ? "#ffffff" : this.colour.value, width: Number(this.width.value), points: [this.at(event)] };
    this.strokes.push(this.current);
    this.paint();
  }

  move(event) {
    if (!this.current) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.current.points.push(this.at(each));
    this.paint();
  }

  lift() {
    if (!this.current) return;
    this.current = null;
    this.finish();
  }

  finish() {
    this.paint();
    this.send({ image: this.strokes.length ? this.canvas.toDataURL("image/png") : null, strokes: this.strokes });
  }

  paint() {
    const { pen, canvas } = this;
    pen.fillStyle = this.isInk ? "#000000" : "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.lineCap = pen.lineJoin = "round";
    for (const { colour, width, points } of this.strokes) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.beginPath();
      pen.moveTo(...points[0]);
      for (const point of points) pen.lineTo(...point);
      pen.stroke();
    }
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const element = parentElement.querySelector(".draw");
  let board = boards.get(element);
  if (!board) boards.set(element, (board = new Board(element, data.ink, structuredClone(data.strokes ?? []), (drawing) => setStateValue("drawing", drawing))));
  else if (board.isInk !== data.ink) { board.isInk = data.ink; board.paint(); }
}
