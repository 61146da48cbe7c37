// One image's steps through a network, and the arithmetic of one of them at the pixel that is pointed at. In: small maps of all steps, and of the
// chosen one its map, its inputs, its kernels. Trigger "chosen" is [step, channel] of a press. Which pixel and which input channel are looked
// at belongs to the browser: moving asks nobody. After a pixel was written out: "conv:told", with its place and its number.

const views = new WeakMap();
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const LARGEST_GRID = 7; // sides of a window whose numbers can be read
const MOST_TERMS = 25; // products that are written out
const TILE = 34, PACE = 90, PATIENCE = 400; // CSS pixels; milliseconds a pixel of the slide; milliseconds before a number is said aloud

const show = (value, digits = 3) => {
  const size = Math.abs(value), text = size !== 0 && (size >= 1e5 || size < 0.5 * 10 ** -digits) ? size.toExponential(1) : size.toFixed(digits);
  return (value < 0 ? "−" : "") + text;
};
const brief = (value) => (value < -0.005 ? "−" : "") + Math.abs(value).toFixed(Math.abs(value) < 100 ? 2 : 0);
const signed = (value) => (value < 0 ? `− ${show(-value)}` : `+ ${show(value)}`);
const times = ([height, width]) => `${height}×${width}`;

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

class Convolution {
  constructor(element, send) {
    this.element = element;
    this.send = (chosen) => {
      if (String(chosen) === String([this.layer.step, this.layer.channel])) return;
      element.classList.add("conv-waiting");
      send(chosen);
    };
    for (const part of ["strip", "title", "channel", "input", "in", "unit", "strongest", "play", "tiles", "from", "grids", "to", "sum", "bars", "after", "said"])
      this[part] = element.querySelector(`.conv-${part}`);
    this.barsFrame = this.bars.parentElement;
    this.target = this.to.querySelector(".conv-map");
    this.strip.onclick = (event) => this.pressStep(event);
    this.strip.onkeydown = (event) => this.moveInStrip(event);
    this.tiles.onclick = (event) => this.chooseChannel(this.placeIn(event, this.tiles, TILE));
    this.channel.onchange = () => this.chooseChannel(Number(this.channel.value));
    this.input.oninput = () => this.lookAtInput(this.layer.inputs.indexOf(Number(this.input.value)));
    this.bars.onclick = (event) => this.lookAtInput(Math.floor((event.offsetX / this.bars.clientWidth) * this.layer.inputs.length));
    this.strongest.onclick = () => this.lookAtInput(this.findStrongest());
    this.play.onclick = () => (this.slide ? this.stop() : this.start());
    this.target.onpointermove = this.target.onpointerdown = (event) => this.point(event);
    this.target.onkeydown = (event) => this.movePixel(event);
    this.themeWatch = setInterval(() => this.layer && this.theme() !== this.drawnIn && this.draw(), 1000);
  }

  theme() {
    return getComputedStyle(this.element).getPropertyValue("--st-background-color");
  }

  show(data) {
    this.element.classList.remove("conv-waiting");
    const content = JSON.stringify([data.name, data.layer.step, data.layer.channel]);
    if (content === this.content) return;
    const before = this.layer;
    this.stop();
    this.content = content;
    this.data = data;
    this.layer = this.decode(data.layer);
    const isSameMap = before && before.step === this.layer.step && times(before.size) === times(this.layer.size);
    this.pixel = isSameMap ? this.pixel : this.firstPixel();
    this.draw();
  }

  decode(layer) {
    const decoded = { ...layer, output: numbersOf(layer.output), maps: numbersOf(layer.maps) }, area = layer.inSize[0] * layer.inSize[1];
    for (const name of ["kernels", "rest", "scale", "shift"]) if (layer[name]) decoded[name] = numbersOf(layer[name]);
    decoded.after = layer.after.map((step) => ({ ...step, output: numbersOf(step.output), scale: step.scale && numbersOf(step.scale), shift: step.shift && numbersOf(step.shift) }));
    decoded.mapOf = (at) => decoded.maps.subarray(at * area, (at + 1) * area);
    decoded.taps = ([row, column]) => (layer.rows ? [layer.rows[row], layer.columns[column]] : [[row], [column]]);
    return decoded;
  }

  // That with the largest number, whose window is most worth looking at.
  firstPixel() {
    const { output, size: [, width] } = this.layer, at = output.reduce((best, value, place) => (Math.abs(value) > Math.abs(output[best]) ? place : best), 0);
    return [Math.floor(at / width), at % width];
  }

  draw() {
    const { layer } = this;
    this.drawnIn = this.theme();
    const pen = tonesOf(this.element), light = ([red, green, blue]) => 0.3 * red + 0.6 * green + 0.1 * blue;
    this.element.classList.toggle("conv-dark", light(pen.zero) < 128);
    this.tones = tonesOf(this.element);
    this.drawStrip();
    this.isWeighing = Boolean(layer.kernels);
    this.heading();
    this.channel.max = layer.channels - 1;
    this.channel.value = layer.channel;
    this.channel.disabled = layer.channels === 1;
    this.unit.textContent = layer.kind === "softmax" || layer.names.length ? "Class" : layer.size[0] * layer.size[1] === 1 ? "Unit" : "Output channel";
    this.in.hidden = this.strongest.hidden = !this.isWeighing || layer.inputs.length === 1;
    this.input.max = Math.max(...layer.inputs);
    this.play.hidden = layer.size[0] * layer.size[1] === 1;
    this.grids.hidden = !layer.rows;
    this.drawTiles();
    this.paintMap(this.to, layer.output, layer.size, 0);
    this.look = this.isWeighing ? this.findStrongest() : 0;
    this.tell();
  }

  heading() {
    const { name, word, kind, total, inputs, kernels, rows, columns, channels, size, inSize } = this.layer;
    const kernel = rows && `${rows[0].length}×${columns[0].length}`, stride = rows?.length > 1 ? rows[1][0] - rows[0][0] : 1;
    const about = [kind === "linear" ? "" : kernel, kind === "convolution" && `stride ${stride}`, kind === "convolution" && `padding ${-Math.min(0, rows[0][0])}`];
    const from = kernels ? `${total} input ${total === 1 ? "channel" : "channels"} of ${times(inSize)} → ` : "";
    this.title.textContent = `${[word[0].toUpperCase() + word.slice(1), ...about].filter(Boolean).join(", ")} · ${from}${channels} of ${times(size)}${name ? ` · ${name}` : ""}`;
  }

  drawStrip() {
    if (this.stripName !== `${this.data.name}${this.drawnIn}`) {
      this.stripName = `${this.data.name}${this.drawnIn}`;
      this.strip.replaceChildren(...this.data.strip.map((step, at) => this.stepButton(step, at)));
    }
    [...this.strip.children].forEach((button, at) => {
      const isChosen = at === this.layer.step;
      button.setAttribute("aria-current", isChosen);
      button.tabIndex = isChosen ? 0 : -1;
      if (isChosen) this.strip.scrollTo({ top: button.offsetTop - this.strip.offsetTop - 120, left: button.offsetLeft - this.strip.offsetLeft - 40 });
    });
  }

  stepButton(step, at) {
    const button = make("button", undefined, { type: "button", "data-step": at }), [channels, ...size] = step.shape;
    button.append(make("b", step.word), make("span", `${channels} of ${times(size)}${step.name ? ` · ${step.name}` : ""}`));
    if (step.picture) button.append(Object.assign(make("img"), { src: step.picture, alt: "" }));
    else {
      const canvas = make("canvas", undefined, { "aria-hidden": "true" });
      paintTiles(canvas, step, step.count, this.tones);
      button.append(canvas);
    }
    return button;
  }

  // A press on a small map chooses its channel too; beside them, that with the largest number.
  pressStep(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const at = Number(button.dataset.step), step = this.data.strip[at], isMap = event.target.tagName === "CANVAS";
    this.send([at, isMap ? Math.min(step.count - 1, Math.floor((event.offsetX / event.target.clientWidth) * step.count)) : step.best]);
  }

  moveInStrip(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key], next = this.strip.children[Number(event.target.dataset.step) + step];
    if (!step || !next) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  drawTiles() {
    const { tiles, channel } = this.layer, columns = Math.max(1, Math.floor((this.tiles.parentElement.clientWidth || 600) / TILE));
    this.tiles.parentElement.hidden = tiles.count < 2;
    paintTiles(this.tiles, tiles, columns, this.tones);
    this.tileColumns = columns;
    this.tiles.style.width = `${Math.min(columns, tiles.count) * TILE}px`;
    this.tiles.style.height = `${Math.ceil(tiles.count / columns) * TILE}px`;
    const mark = this.tiles.nextElementSibling, sides = { width: TILE, height: TILE, left: (channel % columns) * TILE + 2, top: Math.floor(channel / columns) * TILE + 2 };
    mark.hidden = channel >= tiles.count;
    for (const [side, length] of Object.entries(sides)) mark.style[side] = `${length}px`;
    this.tiles.title = `Channels 0 to ${tiles.count - 1}; press one to look at it. Now: ${channel}`;
  }

  placeIn(event, canvas, side) {
    return Math.floor(event.offsetY / side) * this.tileColumns + Math.floor(event.offsetX / side);
  }

  chooseChannel(channel) {
    const { step, channels } = this.layer;
    if (Number.isInteger(channel) && channel >= 0 && channel < channels) this.send([step, channel]);
    else this.channel.value = this.layer.channel;
  }

  // A map, with the padding around it; its scale is its own.
  paintMap(figure, values, [height, width], padding, most = strongest(values)) {
    const canvas = figure.querySelector("canvas"), pen = canvas.getContext("2d"), [top, right, bottom, left] = padding || [0, 0, 0, 0];
    canvas.width = width + left + right;
    canvas.height = height + top + bottom;
    pen.fillStyle = `rgb(${this.tones.line})`;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    paint(pen, values, height, width, most, this.tones, left, top);
    figure.querySelector("svg").setAttribute("viewBox", `0 0 ${canvas.width} ${canvas.height}`);
  }

  padding() {
    const { rows, columns, inSize } = this.layer;
    if (!rows) return [0, 0, 0, 0];
    const before = (taps) => Math.max(0, -taps[0][0]), behind = (taps, side) => Math.max(0, taps.at(-1).at(-1) - side + 1);
    return [before(rows), behind(columns, inSize[1]), behind(rows, inSize[0]), before(columns)];
  }

  mark(figure, places, [top, , , left] = [0, 0, 0, 0]) {
    const rects = places.map(([row, column, height, width]) => {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [name, value] of Object.entries({ x: column + left, y: row + top, width, height })) rect.setAttribute(name, value);
      return rect;
    });
    figure.querySelector("svg").replaceChildren(...rects);
  }

  point(event) {
    if (this.slide) this.stop();
    const box = this.target.getBoundingClientRect(), [height, width] = this.layer.size;
    const within = (share, count) => Math.max(0, Math.min(count - 1, Math.floor(share * count)));
    const next = [within((event.clientY - box.top) / box.height, height), within((event.clientX - box.left) / box.width, width)];
    if (String(next) !== String(this.pixel)) this.goTo(next);
  }

  movePixel(event) {
    const step = ARROWS[event.key], [height, width] = this.layer.size;
    if (!step) return;
    event.preventDefault();
    this.stop();
    const [row, column] = [this.pixel[0] + step[0], this.pixel[1] + step[1]];
    if (row >= 0 && row < height && column >= 0 && column < width) this.goTo([row, column]);
    clearTimeout(this.saying); // what is said aloud waits for the key to rest
    this.saying = setTimeout(() => { this.said.textContent = this.told; }, PATIENCE);
  }

  goTo(pixel) {
    this.pixel = pixel;
    this.tell();
  }

  start() {
    this.play.setAttribute("aria-pressed", true);
    this.play.textContent = "■ Stop";
    const [height, width] = this.layer.size;
    let at = -1;
    this.slide = setInterval(() => {
      at += 1;
      if (at >= height * width || !this.element.isConnected) return this.stop();
      this.goTo([Math.floor(at / width), at % width]);
    }, PACE);
  }

  stop() {
    clearInterval(this.slide);
    this.slide = undefined;
    this.play.setAttribute("aria-pressed", false);
    this.play.textContent = "▶ Slide the window";
  }

  // The input numbers in the window of the pixel, and where they are padding.
  window(at) {
    const [rows, columns] = this.layer.taps(this.pixel), [height, width] = this.layer.inSize, map = this.layer.mapOf(at);
    return rows.map((row) => columns.map((column) => (row < 0 || column < 0 || row >= height || column >= width ? null : map[row * width + column])));
  }

  kernel(at) {
    const { kernels, inputs } = this.layer, [rows, columns] = this.layer.taps(this.pixel), size = kernels.length / inputs.length;
    return rows.map((_, row) => [...kernels.subarray(at * size + row * columns.length, at * size + (row + 1) * columns.length)]);
  }

  products(at) {
    const kernel = this.kernel(at);
    return this.window(at).map((row, y) => row.map((value, x) => (value ?? 0) * kernel[y][x]));
  }

  // What every input channel adds at the pixel.
  parts() {
    return this.layer.inputs.map((_, at) => this.products(at).flat().reduce((sum, product) => sum + product, 0));
  }

  findStrongest() {
    return this.parts().reduce((best, part, at, all) => (Math.abs(part) > Math.abs(all[best]) ? at : best), 0);
  }

  lookAtInput(at) {
    if (at < 0 || at >= this.layer.inputs.length) return;
    this.look = at;
    this.tell();
  }

  here(values) {
    const [row, column] = this.pixel;
    return values.length === 1 ? values[0] : values[row * this.layer.size[1] + column];
  }

  // Everything about the pixel: windows, numbers, sentences.
  tell() {
    const { layer } = this, [row, column] = this.pixel, value = this.here(layer.output);
    this.mark(this.to, [[row, column, 1, 1]]);
    const isSingle = layer.size[0] * layer.size[1] === 1;
    this.to.classList.toggle("conv-single", isSingle);
    this.to.querySelector("figcaption").textContent = `Output of ${this.nameOf(layer.channel)}${isSingle ? "" : ` at row ${row}, column ${column}`}: ${show(value, 4)}`;
    this.drawInput();
    this.sum.replaceChildren();
    this.barsFrame.hidden = true;
    const result = this.isWeighing ? this.tellWeighing() : tellers[layer.kind](this, value);
    this.tellAfter(value);
    this.told = `Row ${row}, column ${column}. ${this.sum.lastElementChild?.textContent ?? ""} ${this.after.textContent}`;
    Object.assign(this.element.dataset, { row, column, sum: result });
    this.element.dispatchEvent(new CustomEvent("conv:told", { detail: { pixel: this.pixel, sum: result } }));
  }

  nameOf(channel) {
    return this.layer.names[channel] !== undefined ? `class ${this.layer.names[channel]}` : `channel ${channel}`;
  }

  drawInput() {
    const { layer } = this, padding = this.padding(), [rows, columns] = layer.taps(this.pixel);
    const isTwo = layer.inputs.length === 2 && !this.isWeighing && layer.kind !== "softmax";
    this.from.hidden = layer.kind === "softmax" || layer.kind === "rearrangement"; // of those, no single input pixel is looked at
    if (this.from.hidden) return;
    this.input.value = layer.inputs[this.look];
    this.from.querySelector("figcaption").textContent = layer.kind === "image" ? "The picture" : `Input, channel ${layer.inputs[this.look]}${isTwo ? `, from ${layer.from[this.look]}` : layer.from.length ? `, from ${layer.from[0]}` : ""}`;
    this.paintMap(this.from, layer.mapOf(this.look), layer.inSize, padding);
    const isDense = rows.every((tap, at) => !at || tap === rows[at - 1] + 1) && columns.every((tap, at) => !at || tap === columns[at - 1] + 1);
    const whole = [[rows[0], columns[0], rows.length, columns.length]];
    this.mark(this.from, isDense ? whole : rows.flatMap((y) => columns.map((x) => [y, x, 1, 1])), padding);
    if (layer.rows) this.drawGrids();
  }

  drawGrids() {
    const seen = this.window(this.look);
    if (!this.isWeighing) return this.grids.replaceChildren(make("span", "window"), this.grid(seen, strongest(this.layer.mapOf(0)), this.layer.isMax));
    const kernel = this.kernel(this.look), products = this.products(this.look), top = strongest(this.layer.kernels);
    this.grids.replaceChildren(
      make("span", "window"), this.grid(seen, strongest(this.layer.mapOf(this.look))),
      make("span", "× kernel"), this.grid(kernel, top),
      make("span", "= products"), this.grid(products, strongest(products.flat())),
    );
  }

  grid(values, most, isMax = false) {
    const table = make("table"), top = isMax ? Math.max(...values.flat().map((value) => value ?? -Infinity)) : undefined;
    if (values.length > LARGEST_GRID || values[0].length > LARGEST_GRID) table.className = "conv-many";
    else if (values[0].length > 4) table.className = "conv-wide";
    for (const line of values) {
      const row = table.insertRow();
      for (const value of line) {
        const cell = row.insertCell();
        cell.textContent = brief(value ?? 0);
        cell.className = `${value === null ? "conv-outside" : ""} ${value !== null && value === top ? "conv-largest" : ""}`;
        cell.style.setProperty("--tone", `var(--${value < 0 ? "below" : "above"})`);
        cell.style.setProperty("--strength", `${(50 * Math.min(1, Math.abs(value ?? 0) / most) ** 0.8).toFixed(1)}%`);
      }
    }
    return table;
  }

  write(text, style) {
    this.sum.append(make("p", text, style ? { class: style } : {}));
  }

  tellWeighing() {
    const { layer } = this, { inputs, total, bias } = layer, parts = this.parts(), sum = parts.reduce((all, part) => all + part, 0), rest = layer.rest ? this.here(layer.rest) : 0;
    const seen = this.window(this.look).flat(), kernel = this.kernel(this.look).flat(), order = seen.map((_, at) => at);
    const weight = (at) => Math.abs((seen[at] ?? 0) * kernel[at]), isLong = order.length > MOST_TERMS;
    const told = isLong ? order.sort((a, b) => weight(b) - weight(a)).slice(0, MOST_TERMS) : order;
    const others = parts[this.look] - told.reduce((all, at) => all + (seen[at] ?? 0) * kernel[at], 0);
    const terms = told.map((at) => `${show(seen[at] ?? 0)}·${kernel[at] < 0 ? `(${show(kernel[at])})` : show(kernel[at])}`).join(" + ");
    this.write(`${terms}${isLong ? ` ${signed(others)} from ${seen.length - told.length} smaller products` : ""} = ${show(parts[this.look], 4)}`, "conv-terms");
    if (total > 1) this.write(`Input channel ${inputs[this.look]} adds ${show(parts[this.look], 4)}.`);
    const all = total === 1 ? "The products" : layer.rest ? `The ${inputs.length} strongest input channels ${show(sum, 4)} ${signed(rest)} of the ${total - inputs.length} others` : `All ${total} input channels ${show(sum, 4)}`;
    const result = sum + rest + bias;
    this.write(`${total === 1 ? `${all} ${show(sum, 4)}` : all} ${signed(bias)} bias = ${show(result, 4)}`, "conv-result");
    if (inputs.length > 1) this.drawBars(parts);
    return result;
  }

  drawBars(parts) {
    this.barsFrame.hidden = false;
    this.barsFrame.querySelector("p").textContent = `What each of ${parts.length} input channels adds here; press a bar to see that channel`;
    const width = (this.bars.width = this.bars.clientWidth * devicePixelRatio), height = (this.bars.height = 90 * devicePixelRatio);
    const pen = this.bars.getContext("2d"), step = width / parts.length, most = strongest(parts), middle = height / 2, gap = step > 4 ? 1 : 0;
    parts.forEach((part, at) => {
      const length = (part / most) * (middle - 3);
      pen.fillStyle = `rgb(${part < 0 ? this.tones.below : this.tones.above})`;
      pen.globalAlpha = at === this.look ? 1 : 0.55;
      pen.fillRect(at * step, Math.min(middle, middle - length), Math.max(1, step - gap), Math.abs(length));
      if (at === this.look) pen.fillRect(at * step, height - 3 * devicePixelRatio, Math.max(2, step - gap), 3 * devicePixelRatio);
    });
    pen.globalAlpha = 1;
    pen.fillStyle = `rgb(${this.tones.line})`;
    pen.fillRect(0, middle, width, 1);
  }

  // What the following steps make of the number, each at the place where it gets to.
  tellAfter(value) {
    let [row, column] = this.pixel, number = value;
    const told = this.layer.after.map((step) => {
      if (step.kind === "pooling") [row, column] = [step.rows.findIndex((taps) => taps.includes(row)), step.columns.findIndex((taps) => taps.includes(column))];
      const at = row * step.size[1] + column, next = step.output[at], before = number;
      number = next;
      if (row < 0 || column < 0) return "";
      return `Then ${afterwards[step.kind](step, before, next, at)}`;
    });
    this.after.textContent = told.filter(Boolean).join(" ");
  }

  close() {
    this.stop();
    clearInterval(this.themeWatch);
  }
}

const pick = (values, at) => (values.length === 1 ? values[0] : values[at]);
const rules = { ReLU: (x) => `max(0, ${x})`, Sigmoid: (x) => `1 / (1 + e^(−(${x})))`, SiLU: (x) => `${x} / (1 + e^(−(${x})))` };
const applied = (word, x) => (rules[word] ? `${word}: ${rules[word](show(x))}` : `${word}(${show(x)})`);

const afterwards = {
  norm: (step, before, next, at) => `${step.word}: ${show(pick(step.scale, at))} · ${show(before)} ${signed(pick(step.shift, at))} = ${show(next, 4)}.`,
  factor: (step, before, next, at) => `a factor: ${show(pick(step.scale, at))} · ${show(before)} = ${show(next, 4)}.`,
  activation: (step, before, next) => `${applied(step.word, before)} = ${show(next, 4)}.`,
  pooling: (step, before, next) => `${step.word} over the window that it is in: ${show(next, 4)}.`,
  addition: (step, before, next) => `the shortcut is added: ${show(before)} ${signed(next - before)} = ${show(next, 4)}.`,
  softmax: (step, before, next) => `softmax: a probability of ${(100 * next).toFixed(1)} %.`,
};

// What is written of steps without a kernel. Each gives the number that it wrote down.
const tellers = {
  image: (view, value) => {
    const pixel = view.here(view.layer.maps), { mean, std } = view.layer, result = (pixel - mean) / std;
    view.write(`The pixel's brightness is ${show(pixel)} of 1. Less the mean of the training images, over their standard deviation: (${show(pixel)} − ${show(mean)}) / ${show(std)} = ${show(result, 4)}`, "conv-result");
    return result;
  },
  pooling: (view) => {
    const numbers = view.window(0).flat(), inside = numbers.filter((number) => number !== null), { isMax } = view.layer;
    const result = isMax ? Math.max(...inside) : numbers.reduce((sum, number) => sum + (number ?? 0), 0) / numbers.length;
    const listed = inside.length <= 16 ? inside.map((number) => show(number)).join(", ") : `${inside.length} numbers`;
    view.write(`The ${isMax ? "largest" : "mean"} of ${listed}: ${show(result, 4)}`, "conv-result");
    return result;
  },
  norm: (view) => {
    const [scale, shift, x] = [view.layer.scale, view.layer.shift, view.layer.maps].map((values) => view.here(values)), result = scale * x + shift;
    view.write(`${show(scale)} · ${show(x)} ${signed(shift)} = ${show(result, 4)}`, "conv-result");
    return result;
  },
  factor: (view) => tellers.norm(view),
  activation: (view, value) => {
    view.write(`${applied(view.layer.word, view.here(view.layer.maps))} = ${show(value, 4)}`, "conv-result");
    return value;
  },
  addition: (view) => {
    const [one, other] = [0, 1].map((at) => view.here(view.layer.mapOf(at)));
    view.write(`${show(one)} from ${view.layer.from[0]} ${signed(other)} from ${view.layer.from.at(-1)} = ${show(one + other, 4)}`, "conv-result");
    return one + other;
  },
  multiplication: (view) => {
    const [one, other] = [0, 1].map((at) => view.here(view.layer.mapOf(at)));
    view.write(`${show(one)} · ${show(other)} = ${show(one * other, 4)}`, "conv-result");
    return one * other;
  },
  softmax: (view) => {
    const { maps, channel, names } = view.layer, powers = [...maps].map((logit) => Math.exp(logit - Math.max(...maps))), all = powers.reduce((sum, power) => sum + power, 0);
    const share = (at) => `${names[at]}: ${((100 * powers[at]) / all).toFixed(2)} %`, order = [...maps.keys()].sort((a, b) => maps[b] - maps[a]);
    view.write(`e^(${show(maps[channel])}) as a share of the sum of all ${maps.length} classes' powers of e. ${share(channel)}`, "conv-result");
    view.write(`Most probable: ${order.slice(0, 5).map(share).join(", ")}`);
    return powers[channel] / all;
  },
  rearrangement: (view, value) => {
    view.write(`Nothing is computed here: ${view.layer.word}. The number is ${show(value, 4)}.`, "conv-result");
    return value;
  },
};

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const element = parentElement.querySelector(".conv");
  let view = views.get(element);
  if (!view) views.set(element, (view = new Convolution(element, (chosen) => setTriggerValue("chosen", chosen))));
  view.show(data);
  return () => {
    setTimeout(() => { if (!element.isConnected) { view.close(); views.delete(element); } }, 0);
  };
}
