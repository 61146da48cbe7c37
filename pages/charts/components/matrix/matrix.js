// A confusion matrix as a table of buttons. In: class names, counts, what the cells show, the chosen cell and its description. Trigger "cell" is [row,
// column] of a press. When `turn` changes, the page scrolls to the images of the chosen cell, or back to the matrix.

import { mount } from "../shared/component.js";
import { arrowStep, make, moveTabStop } from "../shared/dom.js";
import { formatCount, formatImages, formatPercent, sum } from "../shared/format.js";
import { Scroller } from "../shared/scrolling.js";

const SHORT = 3; // characters of a class name that stands upright above its column

// Return a fraction as a percentage short enough for a cell.
function cellPercent(fraction) {
  return fraction === 0 ? "0" : fraction < 0.0005 ? "<0.1%" : `${(100 * fraction).toFixed(fraction < 0.0995 ? 1 : 0)}%`;
}

class Matrix {
  constructor(element, send) {
    Object.assign(this, { element, send, scroller: new Scroller() });
    this.frame = element.querySelector(".matrix-frame");
    this.frame.onclick = (event) => this.press(event.target.closest("button"));
    this.frame.onkeydown = (event) => this.move(event);
  }

  show(data) {
    const { classes, labels, counts, isSingle, measure, chosen, description, turn, container } = data;
    const drawn = JSON.stringify([classes, labels, counts, isSingle, measure]);
    if (drawn !== this.drawn) this.draw(data);
    this.drawn = drawn;
    this.mark(chosen);
    this.element.querySelector("[aria-live]").textContent = description;
    if (this.turn !== undefined && turn !== this.turn) container ? this.scroller.reveal(container) : this.comeBack();
    this.turn = turn;
  }

  draw({ classes, labels, counts, isSingle, measure }) {
    const table = make("table", undefined, { "aria-label": "Images by true class (rows) and predicted class (columns)" });
    const head = table.createTHead().insertRow(), body = table.createTBody(), foot = table.createTFoot().insertRow();
    table.classList.toggle("matrix-short", labels.every((label) => label.length <= SHORT));
    const total = (numbers) => make("td", formatCount(sum(numbers)), { class: "matrix-sum" });
    head.append(make("th", "true ↓ predicted →", { scope: "col" }));
    [...classes, "images"].forEach((name, column) => {
      const cell = make("th", undefined, { scope: "col", title: name });
      cell.append(make("span", labels[column] ?? name));
      head.append(cell);
    });
    this.buttons = counts.map((row, label) => {
      const line = body.insertRow(), images = sum(row);
      line.append(make("th", labels[label], { scope: "row", title: classes[label] }));
      const buttons = row.map((count, predicted) => {
        const tone = label !== predicted ? "wrong" : isSingle[label] ? "right" : "mixed";
        return this.cell([classes[label], classes[predicted]], count, images, tone, measure, `${label}-${predicted}`);
      });
      for (const button of buttons) line.insertCell().append(button);
      line.append(total(row));
      return buttons;
    });
    foot.append(make("th", "images", { scope: "row" }), ...classes.map((_, column) => total(counts.map((row) => row[column]))), total(counts.flat()));
    this.frame.replaceChildren(table);
    this.last = undefined;
    this.holdTab(this.buttons[0]?.[0]);
  }

  // `images`: those of the whole row.
  cell([label, predicted], count, images, tone, measure, place) {
    const fraction = images ? count / images : 0, about = `true ${label}, predicted ${predicted}: ${formatImages(count)} (${formatPercent(fraction)})`;
    const text = measure === "fractions" ? cellPercent(fraction) : formatCount(count);
    const button = make("button", text, { type: "button", "aria-label": about, title: about, "aria-pressed": "false", tabindex: "-1", "data-cell": place });
    if (!count) button.setAttribute("aria-disabled", "true");
    button.style.setProperty("--tone", `var(--${tone})`);
    button.style.setProperty("--strength", `${(50 * Math.sqrt(fraction)).toFixed(1)}%`); // the square root, so that 2% can be seen
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

  move(event) {
    const button = event.target.closest("button"), step = arrowStep(event);
    if (!button || !(step || event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    const [row, column] = this.placeOf(button), line = this.buttons[row];
    const next = step ? this.buttons[row + step[0]]?.[column + step[1]] : line[event.key === "Home" ? 0 : line.length - 1];
    if (!next) return;
    this.holdTab(next);
    next.focus();
  }

  holdTab(button) {
    moveTabStop(this.tabStop, button);
    this.tabStop = button;
  }

  mark(chosen) {
    this.pressed?.setAttribute("aria-pressed", "false");
    this.pressed = chosen ? this.buttons[chosen[0]][chosen[1]] : undefined;
    this.pressed?.setAttribute("aria-pressed", "true");
    this.last = this.pressed ?? this.last;
  }

  comeBack() {
    this.scroller.stop();
    this.scroller.scrollTo(this.element);
    (this.last?.isConnected ? this.last : this.tabStop)?.focus({ preventScroll: true });
  }

  close() {
    this.scroller.stop();
  }
}

export default mount(".matrix", (element, { setTriggerValue }) => new Matrix(element, (cell) => setTriggerValue("cell", cell)));
