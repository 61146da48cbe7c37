// The forward pass of one image through a network, and the arithmetic of one step at the pixel under the pointer. In: small maps of all steps; of the
// chosen step the output map, the inputs and the kernels. Trigger "chosen" is [step, channel] of a press. The pixel and the input channel belong to the
// browser: moving the pointer sends nothing to the server.

import { mount } from "../shared/component.js";
import { arrowStep, findParts, make } from "../shared/dom.js";
import { watchTheme } from "../shared/theme.js";
import { largest, paint, paintTiles, readColours } from "./feature_maps.js";
import { Layer } from "./layer.js";
import { capitalised, inputWord, numberText, shapeText, shortText, titleOf, writeAfter, writeStep } from "./sentences.js";
import { Strip } from "./strip.js";

const MOST_SIDE = 7; // of a window whose numbers can be read
const TILE = 34; // CSS pixels
const PACE = 90, QUIET = 400; // milliseconds: for each pixel of the slide; after the last key press, until screen readers get the sentence
const PARTS = ["title", "channel", "input", "in", "unit", "strongest", "play", "tiles", "from", "grids", "to", "sum", "bars", "after"];

class Convolution {
  constructor(element, send) {
    this.element = element;
    this.send = (chosen) => {
      if (String(chosen) === String([this.layer.step, this.layer.channel])) return;
      element.classList.add("conv-waiting");
      send(chosen);
    };
    Object.assign(this, findParts(element, "conv", PARTS));
    this.strip = new Strip(element.querySelector(".conv-strip"), this.send);
    this.announcement = element.querySelector("[aria-live]");
    this.barsFrame = this.bars.parentElement;
    this.target = this.to.querySelector(".conv-map");
    this.listen();
    this.stop();
    this.stopWatching = watchTheme(element, () => this.layer && this.draw());
  }

  listen() {
    this.tiles.onclick = (event) => this.chooseChannel(Math.floor(event.offsetY / TILE) * this.tileColumns + Math.floor(event.offsetX / TILE));
    this.tiles.parentElement.onkeydown = (event) => this.moveChannel(event);
    this.channel.onchange = () => this.chooseChannel(Number(this.channel.value));
    this.input.oninput = () => this.selectInput(this.layer.inputs.indexOf(Number(this.input.value)));
    this.bars.onclick = (event) => this.selectInput(Math.floor((event.offsetX / this.bars.clientWidth) * this.layer.inputs.length));
    this.strongest.onclick = () => this.selectInput(this.layer.strongestInput(this.pixel));
    this.play.onclick = () => (this.slide ? this.pause() : this.start());
    this.target.onpointermove = this.target.onpointerdown = (event) => this.point(event);
    this.target.onkeydown = (event) => this.movePixel(event);
  }

  show(data) {
    this.element.classList.remove("conv-waiting");
    const content = JSON.stringify([data.name, data.layer.step, data.layer.channel]);
    if (content === this.content) return;
    const before = this.layer;
    this.stop();
    this.content = content;
    this.data = data;
    this.layer = new Layer(data.layer);
    const isSameMap = before && before.step === this.layer.step && shapeText(before.size) === shapeText(this.layer.size);
    this.pixel = isSameMap ? this.pixel : this.layer.strongestPixel;
    this.draw();
  }

  draw() {
    const { layer } = this, [red, green, blue] = readColours(this.element).zero;
    this.element.classList.toggle("conv-dark", 0.3 * red + 0.6 * green + 0.1 * blue < 128);
    this.colours = readColours(this.element);
    this.strip.show(JSON.stringify([this.data.name, this.colours]), this.data.strip, layer.step, this.colours);
    this.title.textContent = titleOf(layer);
    this.channel.max = layer.channels - 1;
    this.channel.value = layer.channel;
    this.channel.disabled = layer.channels === 1;
    this.unit.textContent = layer.classes.length ? "Class" : layer.isSingle ? "Unit" : "Output channel";
    this.in.firstElementChild.textContent = capitalised(inputWord(layer));
    this.in.hidden = this.strongest.hidden = !layer.hasKernels || layer.inputs.length === 1;
    this.input.max = Math.max(...layer.inputs);
    this.play.hidden = layer.isSingle;
    this.grids.hidden = !layer.rows;
    this.drawTiles();
    this.paintMap(this.to, layer.output, layer.size);
    this.selected = layer.hasKernels ? layer.strongestInput(this.pixel) : 0;
    this.showPixel();
  }

  drawTiles() {
    const { tiles, channel } = this.layer, columns = Math.max(1, Math.floor((this.tiles.parentElement.clientWidth || 600) / TILE));
    this.tiles.parentElement.hidden = tiles.count < 2;
    paintTiles(this.tiles, tiles, columns, this.colours);
    this.tileColumns = columns;
    this.tiles.style.width = `${Math.min(columns, tiles.count) * TILE}px`;
    this.tiles.style.height = `${Math.ceil(tiles.count / columns) * TILE}px`;
    const mark = this.tiles.nextElementSibling, box = { width: TILE, height: TILE, left: (channel % columns) * TILE + 2, top: Math.floor(channel / columns) * TILE + 2 };
    mark.hidden = channel >= tiles.count;
    for (const [side, length] of Object.entries(box)) mark.style[side] = `${length}px`;
    this.tiles.title = `Channels 0 to ${tiles.count - 1}. Click one to choose it. Chosen: ${channel}`;
  }

  moveChannel(event) {
    const step = arrowStep(event), [rows, columns] = step ?? [0, 0];
    if (!step) return;
    event.preventDefault();
    this.chooseChannel(this.layer.channel + rows * this.tileColumns + columns);
  }

  chooseChannel(channel) {
    const { step, channels } = this.layer;
    if (Number.isInteger(channel) && channel >= 0 && channel < channels) this.send([step, channel]);
    else this.channel.value = this.layer.channel;
  }

  // A map with its padding. Its colours have a range of their own.
  paintMap(figure, values, [height, width], [top, right, bottom, left] = [0, 0, 0, 0]) {
    const canvas = figure.querySelector("canvas"), pen = canvas.getContext("2d");
    canvas.width = width + left + right;
    canvas.height = height + top + bottom;
    pen.fillStyle = `rgb(${this.colours.line})`;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    paint(pen, values, [height, width], largest(values), this.colours, left, top);
    figure.querySelector("svg").setAttribute("viewBox", `0 0 ${canvas.width} ${canvas.height}`);
  }

  mark(figure, boxes, [top, , , left] = [0, 0, 0, 0]) {
    const rects = boxes.map(([row, column, height, width]) => {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [name, value] of Object.entries({ x: column + left, y: row + top, width, height })) rect.setAttribute(name, value);
      return rect;
    });
    figure.querySelector("svg").replaceChildren(...rects);
  }

  point(event) {
    if (this.slide) this.stop();
    const box = this.target.getBoundingClientRect(), [height, width] = this.layer.size;
    const place = (fraction, count) => Math.max(0, Math.min(count - 1, Math.floor(fraction * count)));
    const next = [place((event.clientY - box.top) / box.height, height), place((event.clientX - box.left) / box.width, width)];
    if (String(next) !== String(this.pixel)) this.goTo(next);
  }

  movePixel(event) {
    const step = arrowStep(event), [height, width] = this.layer.size;
    if (!step) return;
    event.preventDefault();
    this.stop();
    const [row, column] = [this.pixel[0] + step[0], this.pixel[1] + step[1]];
    if (row >= 0 && row < height && column >= 0 && column < width) this.goTo([row, column]);
    this.announce();
  }

  announce() {
    clearTimeout(this.announcing);
    this.announcing = setTimeout(() => { this.announcement.textContent = this.sentence; }, QUIET);
  }

  goTo(pixel) {
    this.pixel = pixel;
    this.showPixel();
  }

  start() {
    this.namePlay("■", "Stop", true);
    const [height, width] = this.layer.size;
    let at = -1;
    this.slide = setInterval(() => {
      at += 1;
      if (at >= height * width || !this.element.isConnected) this.stop();
      else this.goTo([Math.floor(at / width), at % width]);
    }, PACE);
  }

  stop() {
    clearInterval(this.slide);
    this.slide = undefined;
    this.namePlay("▶", "Slide the window", false);
  }

  pause() {
    this.stop();
    this.announce();
  }

  namePlay(sign, text, isPressed) {
    this.play.setAttribute("aria-pressed", isPressed);
    this.play.replaceChildren(make("span", sign, { "aria-hidden": "true" }), ` ${text}`);
  }

  selectInput(input) {
    if (input < 0 || input >= this.layer.inputs.length) return;
    this.selected = input;
    this.showPixel();
  }

  // Everything about the pixel: windows, numbers, sentences.
  showPixel() {
    const { layer, pixel } = this, [row, column] = pixel, { value, lines, terms } = writeStep(layer, pixel, this.selected);
    this.mark(this.to, [[row, column, 1, 1]]);
    this.to.classList.toggle("conv-single", layer.isSingle);
    const place = layer.isSingle ? "" : ` at row ${row}, column ${column}`;
    this.to.querySelector("figcaption").textContent = `Output of ${layer.nameOf(layer.channel)}${place}: ${numberText(layer.valueAt(layer.output, pixel), 4)}`;
    this.showInput();
    const sentences = [...(terms ? [make("p", terms, { class: "conv-terms" })] : []), ...lines.map((line) => make("p", line))];
    sentences.at(-1).className = "conv-result";
    this.sum.replaceChildren(...sentences);
    this.barsFrame.hidden = !layer.hasKernels || layer.inputs.length === 1;
    if (!this.barsFrame.hidden) this.drawBars(layer.contributions(pixel));
    this.after.textContent = writeAfter(layer, pixel);
    this.sentence = `Row ${row}, column ${column}. ${lines.at(-1)}. ${this.after.textContent}`;
    Object.assign(this.element.dataset, { row, column, value });
  }

  showInput() {
    const { layer, selected } = this, { padding } = layer, [rows, columns] = layer.windowOf(this.pixel);
    this.from.hidden = layer.kind === "softmax" || layer.kind === "rearrangement"; // their output pixels have no window
    if (this.from.hidden) return;
    this.input.value = layer.inputs[selected];
    this.from.querySelector("figcaption").textContent = this.inputCaption();
    this.paintMap(this.from, layer.mapOf(selected), layer.inSize, padding);
    const reach = (places) => (places.length > 1 ? `${places[0]} to ${places.at(-1)}` : places[0]);
    const window = layer.isSingle ? "" : `, the window covers rows ${reach(rows)} and columns ${reach(columns)}`;
    this.from.querySelector(".conv-map").setAttribute("aria-label", `Input map of ${shapeText(layer.inSize)}${window}`);
    const isDense = [rows, columns].every((places) => places.every((place, at) => !at || place === places[at - 1] + 1));
    const whole = [[rows[0], columns[0], rows.length, columns.length]];
    this.mark(this.from, isDense ? whole : rows.flatMap((y) => columns.map((x) => [y, x, 1, 1])), padding);
    if (layer.rows) this.drawGrids();
  }

  inputCaption() {
    const { layer, selected } = this, hasTwo = layer.inputs.length === 2 && !layer.hasKernels;
    if (layer.kind === "image") return "The image";
    const source = layer.from[hasTwo ? selected : 0];
    return `Input, channel ${layer.inputs[selected]}${source ? `, from ${source}` : ""}`;
  }

  drawGrids() {
    const { layer, selected, pixel } = this, values = layer.valuesIn(selected, pixel), most = largest(layer.mapOf(selected));
    if (!layer.hasKernels) return this.grids.replaceChildren(this.namedGrid("window", values, most, layer.isMax));
    const products = layer.products(selected, pixel);
    return this.grids.replaceChildren(
      this.namedGrid("window", values, most),
      this.namedGrid("× kernel", layer.kernel(selected), largest(layer.kernels)),
      this.namedGrid("= products", products, largest(products.flat())),
    );
  }

  namedGrid(name, values, most, isMax = false) {
    const box = make("div");
    box.append(make("span", name), this.grid(values, most, isMax));
    return box;
  }

  grid(values, most, isMax = false) {
    const table = make("table"), top = isMax ? Math.max(...values.flat().map((value) => value ?? -Infinity)) : undefined;
    if (values.length > MOST_SIDE || values[0].length > MOST_SIDE) table.className = "conv-many";
    else if (values[0].length > 4) table.className = "conv-wide";
    for (const line of values) {
      const row = table.insertRow();
      for (const value of line) {
        const cell = row.insertCell();
        cell.textContent = shortText(value ?? 0);
        cell.className = `${value === null ? "conv-outside" : ""} ${value !== null && value === top ? "conv-largest" : ""}`;
        cell.style.setProperty("--tone", `var(--${value < 0 ? "below" : "above"})`);
        cell.style.setProperty("--strength", `${(50 * Math.min(1, Math.abs(value ?? 0) / most) ** 0.8).toFixed(1)}%`);
      }
    }
    return table;
  }

  drawBars(contributions) {
    this.barsFrame.querySelector("p").textContent = `Contribution of each of ${contributions.length} ${inputWord(this.layer)}s. Click a bar to choose it.`;
    const width = (this.bars.width = this.bars.clientWidth * devicePixelRatio), height = (this.bars.height = 90 * devicePixelRatio);
    const pen = this.bars.getContext("2d"), step = width / contributions.length, most = largest(contributions), middle = height / 2, gap = step > 4 ? 1 : 0;
    contributions.forEach((value, at) => {
      const length = (value / most) * (middle - 3);
      pen.fillStyle = `rgb(${value < 0 ? this.colours.below : this.colours.above})`;
      pen.globalAlpha = at === this.selected ? 1 : 0.55;
      pen.fillRect(at * step, Math.min(middle, middle - length), Math.max(1, step - gap), Math.abs(length));
      if (at === this.selected) pen.fillRect(at * step, height - 3 * devicePixelRatio, Math.max(2, step - gap), 3 * devicePixelRatio);
    });
    pen.globalAlpha = 1;
    pen.fillStyle = `rgb(${this.colours.line})`;
    pen.fillRect(0, middle, width, 1);
  }

  close() {
    this.stop();
    this.stopWatching();
  }
}

export default mount(".conv", (element, { setTriggerValue }) => new Convolution(element, (chosen) => setTriggerValue("chosen", chosen)));
