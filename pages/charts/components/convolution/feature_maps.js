// Maps of numbers as small images: from base64 to numbers, and from numbers to colours between "below zero" and "above zero". Zero has the colour of the
// page's background.

import { readRgb } from "../shared/theme.js";

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
export const decodeFloats = (base64) => new Float32Array(bytes(base64).buffer); // little-endian, as all machines are that run browsers
const decodeShades = (base64) => new Int8Array(bytes(base64).buffer);

// Return the largest absolute value; 1 where all are zero.
export function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
}

// Return red, green and blue of the colours that maps are painted in.
export function readColours(element) {
  const variables = { zero: "--st-background-color", above: "--above", below: "--below", line: "--st-border-color" };
  return Object.fromEntries(Object.entries(variables).map(([name, variable]) => [name, readRgb(element, variable)]));
}

// Paint values (height × width) at (left, top). `most` has the full colour.
export function paint(pen, values, [height, width], most, colours, left = 0, top = 0) {
  const image = pen.createImageData(width, height);
  for (let at = 0; at < height * width; at++) {
    const value = Math.max(-1, Math.min(1, values[at] / most)), strength = Math.abs(value) ** 0.8, end = value < 0 ? colours.below : colours.above;
    for (let channel = 0; channel < 3; channel++) image.data[4 * at + channel] = colours.zero[channel] + strength * (end[channel] - colours.zero[channel]);
    image.data[4 * at + 3] = 255;
  }
  pen.putImageData(image, left, top);
}

// Paint small maps side by side, `columns` in a row, with a gap of one pixel between those that are more than one number.
export function paintTiles(canvas, { count, side: [height, width], maps }, columns, colours) {
  const values = decodeShades(maps), across = Math.min(count, columns), gap = width > 1 ? 1 : 0, size = height * width;
  canvas.width = across * (width + gap);
  canvas.height = Math.ceil(count / columns) * (height + gap);
  const pen = canvas.getContext("2d");
  for (let at = 0; at < count; at++) {
    const map = values.subarray(at * size, (at + 1) * size), left = (at % columns) * (width + gap), top = Math.floor(at / columns) * (height + gap);
    paint(pen, map, [height, width], 127, colours, left, top);
  }
}
