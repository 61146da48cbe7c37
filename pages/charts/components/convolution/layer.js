// One channel of one step of a network, as numbers, and the arithmetic of a pixel of its output. In: the data of the step from the server.

import { sum } from "../shared/format.js";
import { decodeFloats } from "./feature_maps.js";

export class Layer {
  constructor(sent) {
    const decode = (step, names) => Object.fromEntries(names.filter((name) => step[name]).map((name) => [name, decodeFloats(step[name])]));
    Object.assign(this, sent, decode(sent, ["output", "maps", "kernels", "rest", "scale", "shift"]));
    this.after = sent.after.map((step) => ({ ...step, ...decode(step, ["output", "scale", "shift"]) }));
    this.hasKernels = Boolean(sent.kernels);
    this.isSingle = sent.size[0] * sent.size[1] === 1;
  }

  // The pixel with the largest absolute value, which is shown first.
  get strongestPixel() {
    const { output, size: [, width] } = this, at = output.reduce((best, value, place) => (Math.abs(value) > Math.abs(output[best]) ? place : best), 0);
    return [Math.floor(at / width), at % width];
  }

  mapOf(input) {
    const size = this.inSize[0] * this.inSize[1];
    return this.maps.subarray(input * size, (input + 1) * size);
  }

  // The input rows and columns in the window of an output pixel. Those outside the input are padding.
  windowOf([row, column]) {
    return this.rows ? [this.rows[row], this.columns[column]] : [[row], [column]];
  }

  // Pixels of padding above, right, below and left.
  get padding() {
    if (!this.rows) return [0, 0, 0, 0];
    const before = (windows) => Math.max(0, -windows[0][0]), after = (windows, side) => Math.max(0, windows.at(-1).at(-1) - side + 1);
    return [before(this.rows), after(this.columns, this.inSize[1]), after(this.rows, this.inSize[0]), before(this.columns)];
  }

  // The input's values in the window of a pixel; null for padding.
  valuesIn(input, pixel) {
    const [rows, columns] = this.windowOf(pixel), [height, width] = this.inSize, map = this.mapOf(input);
    return rows.map((row) => columns.map((column) => (row < 0 || column < 0 || row >= height || column >= width ? null : map[row * width + column])));
  }

  kernel(input) {
    const height = this.rows[0].length, width = this.columns[0].length, begin = input * height * width;
    return this.rows[0].map((_, row) => [...this.kernels.subarray(begin + row * width, begin + (row + 1) * width)]);
  }

  products(input, pixel) {
    const kernel = this.kernel(input);
    return this.valuesIn(input, pixel).map((row, y) => row.map((value, x) => (value ?? 0) * kernel[y][x]));
  }

  // The contribution of every input channel to a pixel.
  contributions(pixel) {
    return this.inputs.map((_, input) => sum(this.products(input, pixel).flat()));
  }

  strongestInput(pixel) {
    return this.contributions(pixel).reduce((best, value, input, all) => (Math.abs(value) > Math.abs(all[best]) ? input : best), 0);
  }

  // The value at a pixel of a map, or the one value that holds for all pixels.
  valueAt(values, [row, column]) {
    return values.length === 1 ? values[0] : values[row * this.size[1] + column];
  }

  nameOf(channel) {
    return this.classes[channel] !== undefined ? `class ${this.classes[channel]}` : `${this.isSingle ? "unit" : "channel"} ${channel}`;
  }
}
