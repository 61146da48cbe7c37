// One image's steps through a network, and the arithmetic of one of them at the pixel that is pointed at. In: small maps of all steps, and of the
// chosen one its map, its inputs, its kernels. Trigger "chosen" is [step, channel] of a press. Which pixel and which input channel are looked
// at belongs to the browser: moving asks nobody. After a pixel was written out: "conv:told", with its place and its number.

const views = new WeakMap();
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const LARGEST_GRID = 7; // sides of a window whose numbers can be read
const TILE = 34, PACE = 90, PATIENCE = 400; // CSS pixels; milliseconds a pixel of the slide; milliseconds before a number is said aloud

class Convolution {
  constructor(element, send) {
    this.element = element;
    this.send = (chosen) => {
      if (String(chosen) === String([this.layer.step, this.layer.channel])) return;
      element.classList.add("conv-waiting");
      send(chosen);
    };
    this.strip = new Strip(element.querySelector(".conv-strip"), this.send);
    for (const part of ["title", "channel", "input", "in", "unit", "strongest", "play", "tiles", "from", "grids", "to", "sum", "bars", "after", "said"])
      this[part] = element.querySelector(`.conv-${part}`);
    this.barsFrame = this.bars.parentElement;
    this.target = this.to.querySelector(".conv-map");
    this.tiles.onclick = (event) => this.chooseChannel(this.placeIn(event, this.tiles, TILE));
    this.channel.onchange = () => this.chooseChannel(Number(this.channel.value));
    this.input.oninput = () => this.lookAtInput(this.layer.inputs.indexOf(Number(this.input.value)));
    this.bars.onclick = (event) => this.lookAtInput(Math.floor((event.offsetX / this.bars.clientWidth) * this.layer.inputs.length));
    this.strongest.onclick = () => this.lookAtInput(this.layer.strongestInput(this.pixel));
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
    this.layer = new Layer(data.layer);
    const isSameMap = before && before.step === this.layer.step && times(before.size) === times(this.layer.size);
    this.pixel = isSameMap ? this.pixel : this.layer.loudest;
    this.draw();
  }

  draw() {
    const { layer } = this;
    this.drawnIn = this.theme();
    const pen = tonesOf(this.element), light = ([red, green, blue]) => 0.3 * red + 0.6 * green + 0.1 * blue;
    this.element.classList.toggle("conv-dark", light(pen.zero) < 128);
    this.tones = tonesOf(this.element);
    this.strip.show(`${this.data.name} ${this.drawnIn}`, this.data.strip, layer.step, this.tones);
    this.title.textContent = titleOf(layer);
    this.channel.max = layer.channels - 1;
    this.channel.value = layer.channel;
    this.channel.disabled = layer.channels === 1;
    this.unit.textContent = layer.names.length ? "Class" : layer.isSingle ? "Unit" : "Output channel";
    this.in.firstElementChild.textContent = inputWord(layer).replace("i", "I");
    this.in.hidden = this.strongest.hidden = !layer.isWeighing || layer.inputs.length === 1;
    this.input.max = Math.max(...layer.inputs);
    this.play.hidden = layer.isSingle;
    this.grids.hidden = !layer.rows;
    this.drawTiles();
    this.paintMap(this.to, layer.output, layer.size);
    this.look = layer.isWeighing ? layer.strongestInput(this.pixel) : 0;
    this.tell();
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
  paintMap(figure, values, [height, width], [top, right, bottom, left] = [0, 0, 0, 0]) {
    const canvas = figure.querySelector("canvas"), pen = canvas.getContext("2d");
    canvas.width = width + left + right;
    canvas.height = height + top + bottom;
    pen.fillStyle = `rgb(${this.tones.line})`;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    paint(pen, values, height, width, strongest(values), this.tones, left, top);
    figure.querySelector("svg").setAttribute("viewBox", `0 0 ${canvas.width} ${canvas.height}`);
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

  lookAtInput(at) {
    if (at < 0 || at >= this.layer.inputs.length) return;
    this.look = at;
    this.tell();
  }

  // Everything about the pixel: windows, numbers, sentences.
  tell() {
    const { layer, pixel } = this, [row, column] = pixel, { sum, lines, terms } = write(layer, pixel, this.look);
    this.mark(this.to, [[row, column, 1, 1]]);
    this.to.classList.toggle("conv-single", layer.isSingle);
    this.to.querySelector("figcaption").textContent = `Output of ${layer.nameOf(layer.channel)}${layer.isSingle ? "" : ` at row ${row}, column ${column}`}: ${show(layer.here(layer.output, pixel), 4)}`;
    this.drawInput();
    const written = [...(terms ? [make("p", terms, { class: "conv-terms" })] : []), ...lines.map((line) => make("p", line))];
    written.at(-1).className = "conv-result";
    this.sum.replaceChildren(...written);
    this.barsFrame.hidden = !layer.isWeighing || layer.inputs.length === 1;
    if (!this.barsFrame.hidden) this.drawBars(layer.parts(pixel));
    this.after.textContent = writeAfter(layer, pixel);
    this.told = `Row ${row}, column ${column}. ${lines.at(-1)}. ${this.after.textContent}`;
    Object.assign(this.element.dataset, { row, column, sum });
    this.element.dispatchEvent(new CustomEvent("conv:told", { detail: { pixel, sum } }));
  }

  drawInput() {
    const { layer } = this, { padding } = layer, [rows, columns] = layer.taps(this.pixel);
    const isTwo = layer.inputs.length === 2 && !layer.isWeighing && layer.kind !== "softmax";
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
    const { layer, look, pixel } = this, seen = layer.window(look, pixel), top = strongest(layer.mapOf(look));
    if (!layer.isWeighing) return this.grids.replaceChildren(make("span", "window"), this.grid(seen, top, layer.isMax));
    const products = layer.products(look, pixel);
    this.grids.replaceChildren(
      make("span", "window"), this.grid(seen, top),
      make("span", "× kernel"), this.grid(layer.kernel(look), strongest(layer.kernels)),
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

  drawBars(parts) {
    this.barsFrame.querySelector("p").textContent = `What each of ${parts.length} ${inputWord(this.layer)}s adds here; press a bar to see it`;
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

  close() {
    this.stop();
    clearInterval(this.themeWatch);
  }
}

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
