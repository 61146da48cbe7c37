// A confusion matrix as a table of buttons. In: names, counts, what is written into the cells, the chosen cell and what is said of it.
// Trigger "cell" is [row, column] of a press. Data with another `turn` bring what is chosen into view: the images, or the matrix again.

const tables = new WeakMap();
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const PATIENCE = 10_000; // milliseconds in which the images have to appear to be scrolled to
const REST = 1000; // milliseconds without a change after which they are all there

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
const inShares = (share) => (share === 0 ? "0" : share < 0.0005 ? "<0.1%" : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`);

class Matrix {
  constructor(element, send) {
    this.element = element;
    this.frame = element.querySelector(".matrix-frame");
    this.send = send;
    this.frame.onclick = (event) => this.press(event.target.closest("button"));
    this.frame.onkeydown = (event) => this.move(event);
  }

  show(data) {
    const { names, counts, rightly, measure, chosen, said, turn, place } = data;
    const drawn = JSON.stringify([names, counts, rightly, measure]);
    if (drawn !== this.drawn) this.draw(data);
    this.drawn = drawn;
    this.mark(chosen);
    this.element.querySelector(".matrix-said").textContent = said;
    if (this.turn !== undefined && turn !== this.turn) place ? this.reveal(place) : this.comeBack();
    this.turn = turn;
  }

  draw({ names, counts, rightly, measure }) {
    const table = make("table"), head = table.createTHead().insertRow(), body = table.createTBody();
    table.setAttribute("aria-label", "Images by true class, in rows, and predicted class, in columns");
    head.append(make("th", "true ↓ predicted →", { scope: "col" }));
    for (const name of [...names, "images"]) {
      const cell = make("th", undefined, { scope: "col", title: name });
      cell.append(make("span", name));
      head.append(cell);
    }
    this.buttons = counts.map((row, at) => {
      const line = body.insertRow(), images = total(row);
      line.append(make("th", names[at], { scope: "row", title: names[at] }));
      const buttons = row.map((count, to) => this.cell(names[at], names[to], count, images, at !== to ? "wrong" : rightly[at] ? "right" : "mixed", measure, [at, to]));
      for (const button of buttons) line.insertCell().append(button);
      line.append(make("td", images.toLocaleString("en"), { class: "matrix-sum" }));
      return buttons;
    });
    const foot = table.createTFoot().insertRow();
    foot.append(make("th", "images", { scope: "row" }));
    for (let to = 0; to < names.length; to++) foot.append(make("td", total(counts.map((row) => row[to])).toLocaleString("en"), { class: "matrix-sum" }));
    foot.append(make("td", total(counts.flat()).toLocaleString("en"), { class: "matrix-sum" }));
    this.frame.replaceChildren(table);
    this.last = undefined;
    this.holdTab(this.buttons[0]?.[0]);
  }

  cell(truth, guess, count, images, tone, measure, place) {
    const share = images ? count / images : 0;
    const about = `true ${truth}, predicted ${guess}: ${count.toLocaleString("en")} ${count === 1 ? "image" : "images"} (${(100 * share).toFixed(1)} %)`;
    const button = make("button", measure === "shares" ? inShares(share) : count.toLocaleString("en"), { type: "button", "aria-label": about, title: about, "aria-pressed": "false", tabindex: "-1", "data-cell": place.join("-") });
    if (!count) button.setAttribute("aria-disabled", "true");
    button.style.setProperty("--tone", `var(--${tone})`);
    button.style.setProperty("--strength", `${(50 * Math.sqrt(share)).toFixed(1)}%`); // the root: a share of 2 % is to be seen
    return button;
  }

  placeOf(button) {
    return button.dataset.cell.split("-").map(Number);
  }

  press(button) {
    if (!button) return;
    this.holdTab(button);
    if (button.getAttribute("aria-disabled") !== "true") this.send(this.placeOf(button));
  }

  // One stop for the tab key; the arrows go from there.
  move(event) {
    const button = event.target.closest("button"), step = ARROWS[event.key];
    if (!button || !(step || event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    const [row, column] = this.placeOf(button), line = this.buttons[row];
    const next = step ? this.buttons[row + step[0]]?.[column + step[1]] : line[event.key === "Home" ? 0 : line.length - 1];
    if (!next) return;
    this.holdTab(next);
    next.focus();
  }

  holdTab(button) {
    this.stop?.setAttribute("tabindex", "-1");
    button?.setAttribute("tabindex", "0");
    this.stop = button;
  }

  mark(chosen) {
    this.pressed?.setAttribute("aria-pressed", "false");
    this.pressed = chosen ? this.buttons[chosen[0]][chosen[1]] : undefined;
    this.pressed?.setAttribute("aria-pressed", "true");
    this.last = this.pressed ?? this.last;
  }

  // The page is as long as it has to be only once the images are there, so they are brought up again whenever their place has grown.
  reveal(place) {
    let until = performance.now() + PATIENCE, height = 0;
    clearInterval(this.watch);
    this.watch = setInterval(() => {
      const images = document.querySelector(`.st-key-${place}`), now = performance.now();
      if (images && images.offsetHeight !== height) {
        bring(images);
        height = images.offsetHeight;
        until = now + REST;
      }
      if (now > until) clearInterval(this.watch);
    }, 30);
  }

  comeBack() {
    clearInterval(this.watch);
    bring(this.element);
    (this.last?.isConnected ? this.last : this.stop)?.focus({ preventScroll: true });
  }
}

function bring(element) {
  element.style.scrollMarginTop = "4.5rem"; // below the bar at the top of the page
  element.scrollIntoView({ block: "start" });
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const element = parentElement.querySelector(".matrix");
  let matrix = tables.get(element);
  if (!matrix) tables.set(element, (matrix = new Matrix(element, (cell) => setTriggerValue("cell", cell))));
  matrix.show(data);
  return () => clearInterval(matrix.watch);
}
