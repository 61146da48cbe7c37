// One step of a network as numbers, and what meets in one pixel of its output. Put before the code of the component that shows it.

class Layer {
  constructor(sent) {
    const numbers = (step, names) => Object.fromEntries(names.filter((name) => step[name]).map((name) => [name, numbersOf(step[name])]));
    Object.assign(this, sent, numbers(sent, ["output", "maps", "kernels", "rest", "scale", "shift"]));
    this.after = sent.after.map((step) => ({ ...step, ...numbers(step, ["output", "scale", "shift"]) }));
    this.isWeighing = Boolean(sent.kernels);
    this.isSingle = sent.size[0] * sent.size[1] === 1;
  }

  // That with the largest number, whose window is most worth looking at.
  get loudest() {
    const { output, size: [, width] } = this, at = output.reduce((best, value, place) => (Math.abs(value) > Math.abs(output[best]) ? place : best), 0);
    return [Math.floor(at / width), at % width];
  }

  mapOf(at) {
    const area = this.inSize[0] * this.inSize[1];
    return this.maps.subarray(at * area, (at + 1) * area);
  }

  // The input rows and columns that a pixel looks at; outside the input they are padding.
  taps([row, column]) {
    return this.rows ? [this.rows[row], this.columns[column]] : [[row], [column]];
  }

  // Pixels of padding above, right, below and left.
  get padding() {
    if (!this.rows) return [0, 0, 0, 0];
    const before = (taps) => Math.max(0, -taps[0][0]), behind = (taps, side) => Math.max(0, taps.at(-1).at(-1) - side + 1);
    return [before(this.rows), behind(this.columns, this.inSize[1]), behind(this.rows, this.inSize[0]), before(this.columns)];
  }

  // The numbers in the window of a pixel, of one of the inputs; null for padding.
  window(at, pixel) {
    const [rows, columns] = this.taps(pixel), [height, width] = this.inSize, map = this.mapOf(at);
    return rows.map((row) => columns.map((column) => (row < 0 || column < 0 || row >= height || column >= width ? null : map[row * width + column])));
  }

  kernel(at) {
    const height = this.rows[0].length, width = this.columns[0].length, begin = at * height * width;
    return this.rows[0].map((_, row) => [...this.kernels.subarray(begin + row * width, begin + (row + 1) * width)]);
  }

  products(at, pixel) {
    const kernel = this.kernel(at);
    return this.window(at, pixel).map((row, y) => row.map((value, x) => (value ?? 0) * kernel[y][x]));
  }

  // What every input channel adds at a pixel.
  parts(pixel) {
    return this.inputs.map((_, at) => this.products(at, pixel).flat().reduce((sum, product) => sum + product, 0));
  }

  strongestInput(pixel) {
    return this.parts(pixel).reduce((best, part, at, all) => (Math.abs(part) > Math.abs(all[best]) ? at : best), 0);
  }

  // The number at a pixel of a map, or the one that counts for all pixels.
  here(values, [row, column]) {
    return values.length === 1 ? values[0] : values[row * this.size[1] + column];
  }

  nameOf(channel) {
    return this.names[channel] !== undefined ? `class ${this.names[channel]}` : `${this.isSingle ? "unit" : "channel"} ${channel}`;
  }
}
