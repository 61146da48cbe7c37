// The arithmetic of a step as sentences. In: a Layer, an output pixel and an input channel. Out: lines of text and the value that they compute.

import { sum } from "../shared/format.js";

const MOST_TERMS = 25; // products that are written out

// Return a number as text; very large and very small ones in scientific notation.
export function numberText(value, digits = 3) {
  const size = Math.abs(value), text = size !== 0 && (size >= 1e5 || size < 0.5 * 10 ** -digits) ? size.toExponential(1) : size.toFixed(digits);
  return (value < 0 ? "−" : "") + text;
}

// Return a number as text that fits a cell of a small table.
export function shortText(value) {
  return (value < -0.005 ? "−" : "") + Math.abs(value).toFixed(Math.abs(value) < 100 ? 2 : 0);
}

const signed = (value) => (value < 0 ? `− ${numberText(-value)}` : `+ ${numberText(value)}`);
export const shapeText = ([height, width]) => `${height}×${width}`;
const area = ([height, width]) => height * width;
export const capitalised = (text) => text[0].toUpperCase() + text.slice(1);

// Return what an input is called: a layer of single numbers has inputs, others have input channels.
export function inputWord({ inSize }) {
  return area(inSize) === 1 ? "input" : "input channel";
}

// Return the number of channels and their size.
export function sizeText(channels, size) {
  return area(size) === 1 ? `${channels} numbers` : `${channels} of ${shapeText(size)}`;
}

export function titleOf({ name, operation, kind, total, kernels, rows, columns, channels, size, inSize }) {
  const stride = rows?.length > 1 ? rows[1][0] - rows[0][0] : 1;
  const details = kind === "convolution" ? [`stride ${stride}`, `padding ${-Math.min(0, rows[0][0])}`] : [];
  const kernel = rows && kind !== "linear" ? [shapeText([rows[0].length, columns[0].length])] : [];
  const inputs = area(inSize) === 1 ? `${total} numbers` : `${total} input ${total === 1 ? "channel" : "channels"} of ${shapeText(inSize)}`;
  return `${[capitalised(operation), ...kernel, ...details].join(", ")} · ${kernels ? `${inputs} → ` : ""}${sizeText(channels, size)}${name ? ` · ${name}` : ""}`;
}

const FORMULAS = { ReLU: (x) => `max(0, ${x})`, Sigmoid: (x) => `1 / (1 + e^(−(${x})))`, SiLU: (x) => `${x} / (1 + e^(−(${x})))` };
const applied = (operation, x) => (FORMULAS[operation] ? `${operation}: ${FORMULAS[operation](numberText(x))}` : `${operation}(${numberText(x)})`);

// Return the products of one input channel, all or the largest of them, and their sum.
function productsText(layer, pixel, input) {
  const values = layer.valuesIn(input, pixel).flat().map((value) => value ?? 0), kernel = layer.kernel(input).flat(), products = values.map((value, at) => value * kernel[at]);
  const order = [...values.keys()], isLong = order.length > MOST_TERMS;
  const written = isLong ? order.sort((a, b) => Math.abs(products[b]) - Math.abs(products[a])).slice(0, MOST_TERMS) : order;
  const terms = written.map((at) => `${numberText(values[at])}·${kernel[at] < 0 ? `(${numberText(kernel[at])})` : numberText(kernel[at])}`).join(" + ");
  const others = isLong ? ` ${signed(sum(products) - sum(written.map((at) => products[at])))} from ${values.length - written.length} smaller products` : "";
  return `${terms}${others} = ${numberText(sum(products), 4)}`;
}

// Convolutions and linear layers.
function writeWeightedSum(layer, pixel, input) {
  const { inputs, total, bias } = layer, contributions = layer.contributions(pixel), products = sum(contributions), rest = layer.rest ? layer.valueAt(layer.rest, pixel) : 0;
  const word = inputWord(layer), biasText = bias ? ` ${signed(bias)} bias` : ", no bias"; // none before a norm, whose shift replaces the bias
  const all = layer.rest ? `The ${inputs.length} strongest ${word}s ${numberText(products, 4)} ${signed(rest)} from the ${total - inputs.length} others` : `All ${total} ${word}s ${numberText(products, 4)}`;
  const value = products + rest + bias, own = total > 1 ? [`${capitalised(word)} ${inputs[input]} contributes ${numberText(contributions[input], 4)}.`] : [];
  return { value, terms: productsText(layer, pixel, input), lines: [...own, `${total > 1 ? all : `The products ${numberText(products, 4)}`}${biasText} = ${numberText(value, 4)}`] };
}

// Steps without a kernel, by their kind.
const WRITERS = {
  image(layer, pixel) {
    const x = layer.valueAt(layer.maps, pixel), { mean, std } = layer, value = (x - mean) / std;
    const why = `The pixel's brightness is ${numberText(x)} (0 to 1). Subtract the mean of the training images and divide by their standard deviation:`;
    return { value, lines: [`${why} (${numberText(x)} − ${numberText(mean)}) / ${numberText(std)} = ${numberText(value, 4)}`] };
  },
  pooling(layer, pixel) {
    const values = layer.valuesIn(0, pixel).flat(), inside = values.filter((number) => number !== null), { isMax } = layer;
    const value = isMax ? Math.max(...inside) : sum(inside) / values.length;
    const listed = inside.length <= 16 ? inside.map((number) => numberText(number)).join(", ") : `${inside.length} numbers`;
    return { value, lines: [`The ${isMax ? "maximum" : "mean"} of ${listed}: ${numberText(value, 4)}`] };
  },
  norm(layer, pixel) {
    const [scale, shift, x] = [layer.scale, layer.shift, layer.maps].map((values) => layer.valueAt(values, pixel)), value = scale * x + shift;
    const why = "Subtract the mean, divide by the standard deviation, multiply by a learned scale and add a learned shift. Together these are one scale and one shift.";
    return { value, lines: [...(layer.kind === "norm" ? [why] : []), `${numberText(scale)} · ${numberText(x)} ${signed(shift)} = ${numberText(value, 4)}`] };
  },
  factor: (layer, pixel) => WRITERS.norm(layer, pixel),
  activation(layer, pixel) {
    const value = layer.valueAt(layer.output, pixel);
    return { value, lines: [`${applied(layer.operation, layer.valueAt(layer.maps, pixel))} = ${numberText(value, 4)}`] };
  },
  addition(layer, pixel) {
    const [first, second] = [0, 1].map((input) => layer.valueAt(layer.mapOf(input), pixel));
    return { value: first + second, lines: [`${numberText(first)} from ${layer.from[0]} ${signed(second)} from ${layer.from.at(-1)} = ${numberText(first + second, 4)}`] };
  },
  multiplication(layer, pixel) {
    const [first, second] = [0, 1].map((input) => layer.valueAt(layer.mapOf(input), pixel));
    return { value: first * second, lines: [`${numberText(first)} · ${numberText(second)} = ${numberText(first * second, 4)}`] };
  },
  softmax({ maps, channel, classes }) {
    const highest = Math.max(...maps), powers = [...maps].map((logit) => Math.exp(logit - highest)), total = sum(powers);
    const probability = (label) => `${classes[label]}: ${((100 * powers[label]) / total).toFixed(2)}%`, order = [...maps.keys()].sort((a, b) => maps[b] - maps[a]);
    const own = `e^(${numberText(maps[channel])}) divided by the sum of e^logit over all ${maps.length} classes. ${probability(channel)}`;
    return { value: powers[channel] / total, lines: [`Most probable: ${order.slice(0, 5).map(probability).join(", ")}`, own] };
  },
  rearrangement(layer, pixel) {
    const value = layer.valueAt(layer.output, pixel);
    return { value, lines: [`This step (${layer.operation}) does not change values. The value is ${numberText(value, 4)}`] };
  },
};

// Return { value, lines, terms }: the result of the last line, the lines, and the products where there is a kernel.
export function writeStep(layer, pixel, input) {
  return layer.hasKernels ? writeWeightedSum(layer, pixel, input) : WRITERS[layer.kind](layer, pixel);
}

const pick = (values, at) => (values.length === 1 ? values[0] : values[at]);
const LATER = {
  norm: (step, before, after, at) => `${step.operation}: ${numberText(pick(step.scale, at))} · ${numberText(before)} ${signed(pick(step.shift, at))} = ${numberText(after, 4)}.`,
  factor: (step, before, after, at) => `scaling: ${numberText(pick(step.scale, at))} · ${numberText(before)} = ${numberText(after, 4)}.`,
  activation: (step, before, after) => `${applied(step.operation, before)} = ${numberText(after, 4)}.`,
  pooling: (step, before, after) => `${step.operation} over the window of this pixel: ${numberText(after, 4)}.`,
  addition: (step, before, after) => `addition of the shortcut: ${numberText(before)} ${signed(after - before)} = ${numberText(after, 4)}.`,
  softmax: (step, before, after) => `softmax: a probability of ${(100 * after).toFixed(1)}%.`,
};

// Return what the following steps compute from a pixel's value, each at the pixel that depends on it. It ends where no window contains the pixel.
export function writeAfter(layer, [row, column]) {
  const sentences = [];
  let value = layer.valueAt(layer.output, [row, column]);
  for (const step of layer.after) {
    if (step.kind === "pooling") [row, column] = [step.rows.findIndex((window) => window.includes(row)), step.columns.findIndex((window) => window.includes(column))];
    if (row < 0 || column < 0) break;
    const at = row * step.size[1] + column, next = step.output[at];
    sentences.push(`Then ${LATER[step.kind](step, value, next, at)}`);
    value = next;
  }
  return sentences.join(" ");
}
