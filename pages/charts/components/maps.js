// Maps of numbers as small pictures: from base64 to numbers, and from numbers to colours between "below zero" and "above zero", the page's own
// background being zero. Put before a component's own code.

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const numbersOf = (text) => new Float32Array(bytesOf(text).buffer); // little-endian, as every browser's machine is
const shadesOf = (text) => new Int8Array(bytesOf(text).buffer);
const strongest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;

// Red, green and blue of the CSS variables that a component's style sets.
function tonesOf(element) {
  const style = getComputedStyle(element), pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  return Object.fromEntries(Object.entries({ zero: "--st-background-color", above: "--above", below: "--below", line: "--st-border-color" }).map(([name, variable]) => {
    pen.fillStyle = style.getPropertyValue(variable);
    pen.fillRect(0, 0, 1, 1);
    return [name, [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)]];
  }));
}

// Puts values (height × width), of which `most` has the full colour, into a picture at (left, top).
function paint(pen, values, height, width, most, tones, left = 0, top = 0) {
  const picture = pen.createImageData(width, height);
  for (let at = 0; at < height * width; at++) {
    const share = Math.max(-1, Math.min(1, values[at] / most)), far = Math.abs(share) ** 0.8, end = share < 0 ? tones.below : tones.above;
    for (let part = 0; part < 3; part++) picture.data[4 * at + part] = tones.zero[part] + far * (end[part] - tones.zero[part]);
    picture.data[4 * at + 3] = 255;
  }
  pen.putImageData(picture, left, top);
}

// Small maps side by side, `columns` in a row, with a gap of a pixel between those that are more than one number.
function paintTiles(canvas, { count, side: [height, width], maps }, columns, tones) {
  const values = shadesOf(maps), across = Math.min(count, columns), gap = width > 1 ? 1 : 0, area = height * width;
  canvas.width = across * (width + gap);
  canvas.height = Math.ceil(count / columns) * (height + gap);
  const pen = canvas.getContext("2d");
  for (let at = 0; at < count; at++)
    paint(pen, values.subarray(at * area, (at + 1) * area), height, width, 127, tones, (at % columns) * (width + gap), Math.floor(at / columns) * (height + gap));
}
