// The arithmetic of a step as sentences. In: a Layer, a pixel, the input that is looked at. Out: lines of text and the number that they come to.
// Put before the code of the component that shows it.

const MOST_TERMS = 25; // products that are written out

const show = (value, digits = 3) => {
  const size = Math.abs(value), text = size !== 0 && (size >= 1e5 || size < 0.5 * 10 ** -digits) ? size.toExponential(1) : size.toFixed(digits);
  return (value < 0 ? "−" : "") + text;
};
const brief = (value) => (value < -0.005 ? "−" : "") + Math.abs(value).toFixed(Math.abs(value) < 100 ? 2 : 0);
const signed = (value) => (value < 0 ? `− ${show(-value)}` : `+ ${show(value)}`);
const times = ([height, width]) => `${height}×${width}`;
const area = ([height, width]) => height * width;
const inputWord = ({ inSize }) => (area(inSize) === 1 ? "input" : "input channel"); // that of a layer of plain numbers is one of them
const amount = (channels, size) => (area(size) === 1 ? `${channels} numbers` : `${channels} of ${times(size)}`);
const total = (values) => values.reduce((sum, value) => sum + value, 0);

function titleOf({ name, word, kind, total: inputs, kernels, rows, columns, channels, size, inSize }) {
  const stride = rows?.length > 1 ? rows[1][0] - rows[0][0] : 1, capital = word[0].toUpperCase() + word.slice(1);
  const about = kind === "convolution" ? [`stride ${stride}`, `padding ${-Math.min(0, rows[0][0])}`] : [];
  const kernel = rows && kind !== "linear" ? [times([rows[0].length, columns[0].length])] : [];
  const fed = area(inSize) === 1 ? `${inputs} numbers` : `${inputs} input ${inputs === 1 ? "channel" : "channels"} of ${times(inSize)}`, from = kernels ? `${fed} → ` : "";
  return `${[capital, ...kernel, ...about].join(", ")} · ${from}${amount(channels, size)}${name ? ` · ${name}` : ""}`;
}

const RULES = { ReLU: (x) => `max(0, ${x})`, Sigmoid: (x) => `1 / (1 + e^(−(${x})))`, SiLU: (x) => `${x} / (1 + e^(−(${x})))` };
const applied = (word, x) => (RULES[word] ? `${word}: ${RULES[word](show(x))}` : `${word}(${show(x)})`);

// The products of one input channel, all or the largest of them, and their sum.
function termsOf(layer, pixel, look) {
  const seen = layer.window(look, pixel).flat().map((value) => value ?? 0), kernel = layer.kernel(look).flat(), products = seen.map((value, at) => value * kernel[at]);
  const order = [...seen.keys()], isLong = order.length > MOST_TERMS;
  const told = isLong ? order.sort((a, b) => Math.abs(products[b]) - Math.abs(products[a])).slice(0, MOST_TERMS) : order;
  const terms = told.map((at) => `${show(seen[at])}·${kernel[at] < 0 ? `(${show(kernel[at])})` : show(kernel[at])}`).join(" + ");
  const others = isLong ? ` ${signed(total(products) - total(told.map((at) => products[at])))} from ${seen.length - told.length} smaller products` : "";
  return `${terms}${others} = ${show(total(products), 4)}`;
}

function writeWeighing(layer, pixel, look) {
  const { inputs, total: count, bias } = layer, parts = layer.parts(pixel), sum = total(parts), rest = layer.rest ? layer.here(layer.rest, pixel) : 0;
  const word = inputWord(layer), added = bias ? ` ${signed(bias)} bias` : ", no bias"; // none where a norm follows, whose shift takes its place
  const all = layer.rest ? `The ${inputs.length} strongest ${word}s ${show(sum, 4)} ${signed(rest)} of the ${count - inputs.length} others` : `All ${count} ${word}s ${show(sum, 4)}`;
  const result = sum + rest + bias, adds = count > 1 ? [`I${word.slice(1)} ${inputs[look]} adds ${show(parts[look], 4)}.`] : [];
  return { sum: result, terms: termsOf(layer, pixel, look), lines: [...adds, `${count > 1 ? all : `The products ${show(sum, 4)}`}${added} = ${show(result, 4)}`] };
}

// What is written of steps without a kernel.
const WRITERS = {
  image(layer, pixel) {
    const value = layer.here(layer.maps, pixel), { mean, std } = layer, sum = (value - mean) / std;
    return { sum, lines: [`The pixel's brightness is ${show(value)} of 1. Less the mean of the training images, over their standard deviation: (${show(value)} − ${show(mean)}) / ${show(std)} = ${show(sum, 4)}`] };
  },
  pooling(layer, pixel) {
    const numbers = layer.window(0, pixel).flat(), inside = numbers.filter((number) => number !== null), { isMax } = layer;
    const sum = isMax ? Math.max(...inside) : total(inside) / numbers.length;
    const listed = inside.length <= 16 ? inside.map((number) => show(number)).join(", ") : `${inside.length} numbers`;
    return { sum, lines: [`The ${isMax ? "largest" : "mean"} of ${listed}: ${show(sum, 4)}`] };
  },
  norm(layer, pixel) {
    const [scale, shift, x] = [layer.scale, layer.shift, layer.maps].map((values) => layer.here(values, pixel)), sum = scale * x + shift;
    const why = layer.kind === "norm" ? ["Less the mean, divided by the deviation, times one learned number, plus another: together one factor and one number to add."] : [];
    return { sum, lines: [...why, `${show(scale)} · ${show(x)} ${signed(shift)} = ${show(sum, 4)}`] };
  },
  factor: (layer, pixel) => WRITERS.norm(layer, pixel),
  activation(layer, pixel) {
    const sum = layer.here(layer.output, pixel);
    return { sum, lines: [`${applied(layer.word, layer.here(layer.maps, pixel))} = ${show(sum, 4)}`] };
  },
  addition(layer, pixel) {
    const [one, other] = [0, 1].map((at) => layer.here(layer.mapOf(at), pixel));
    return { sum: one + other, lines: [`${show(one)} from ${layer.from[0]} ${signed(other)} from ${layer.from.at(-1)} = ${show(one + other, 4)}`] };
  },
  multiplication(layer, pixel) {
    const [one, other] = [0, 1].map((at) => layer.here(layer.mapOf(at), pixel));
    return { sum: one * other, lines: [`${show(one)} · ${show(other)} = ${show(one * other, 4)}`] };
  },
  softmax({ maps, channel, names }) {
    const highest = Math.max(...maps), powers = [...maps].map((logit) => Math.exp(logit - highest)), all = total(powers);
    const share = (at) => `${names[at]}: ${((100 * powers[at]) / all).toFixed(2)} %`, order = [...maps.keys()].sort((a, b) => maps[b] - maps[a]);
    const own = `e^(${show(maps[channel])}) as a share of the sum of all ${maps.length} classes' powers of e. ${share(channel)}`;
    return { sum: powers[channel] / all, lines: [`Most probable: ${order.slice(0, 5).map(share).join(", ")}`, own] };
  },
  rearrangement(layer, pixel) {
    const sum = layer.here(layer.output, pixel);
    return { sum, lines: [`Nothing is computed here: ${layer.word}. The number is ${show(sum, 4)}`] };
  },
};

// { sum, lines, terms }: the number that the last of the lines comes to, and the products where there is a kernel.
const write = (layer, pixel, look) => (layer.isWeighing ? writeWeighing(layer, pixel, look) : WRITERS[layer.kind](layer, pixel));

const pick = (values, at) => (values.length === 1 ? values[0] : values[at]);
const LATER = {
  norm: (step, before, next, at) => `${step.word}: ${show(pick(step.scale, at))} · ${show(before)} ${signed(pick(step.shift, at))} = ${show(next, 4)}.`,
  factor: (step, before, next, at) => `a factor: ${show(pick(step.scale, at))} · ${show(before)} = ${show(next, 4)}.`,
  activation: (step, before, next) => `${applied(step.word, before)} = ${show(next, 4)}.`,
  pooling: (step, before, next) => `${step.word} over the window that it is in: ${show(next, 4)}.`,
  addition: (step, before, next) => `the shortcut is added: ${show(before)} ${signed(next - before)} = ${show(next, 4)}.`,
  softmax: (step, before, next) => `softmax: a probability of ${(100 * next).toFixed(1)} %.`,
};

// What the following steps make of a pixel's number, each at the place where it gets to; nothing where no window takes it.
function writeAfter(layer, [row, column]) {
  const told = [];
  let number = layer.here(layer.output, [row, column]);
  for (const step of layer.after) {
    if (step.kind === "pooling") [row, column] = [step.rows.findIndex((taps) => taps.includes(row)), step.columns.findIndex((taps) => taps.includes(column))];
    if (row < 0 || column < 0) break;
    const at = row * step.size[1] + column, next = step.output[at];
    told.push(`Then ${LATER[step.kind](step, number, next, at)}`);
    number = next;
  }
  return told.join(" ");
}
