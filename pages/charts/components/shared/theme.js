// The colours and the font of the page's theme. Streamlit does not notify components when the theme changes, so `watchTheme` compares it regularly.

const INTERVAL = 1000; // milliseconds

// Return the theme as it is at `element`. Colours are CSS colours.
export function readTheme(element) {
  const style = getComputedStyle(element), read = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const list = (name) => read(name).split(",").map((colour) => colour.trim());
  const categorical = list("chart-categorical-colors"), [training, validation, best] = categorical;
  return {
    categorical, training, validation, best, sequential: list("chart-sequential-colors"),
    text: read("text-color"), background: read("background-color"), grid: read("border-color"), font: read("font"),
  };
}

// Call `onChange` whenever the theme at `element` has changed. Return a function that stops it.
export function watchTheme(element, onChange) {
  const read = () => JSON.stringify(readTheme(element));
  let known = read();
  const timer = setInterval(() => {
    const now = read();
    if (now === known) return;
    known = now;
    onChange();
  }, INTERVAL);
  return () => clearInterval(timer);
}

// Return red, green and blue (0 to 255) of the colour in a CSS variable at `element`.
export function readRgb(element, variable) {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  pen.fillStyle = getComputedStyle(element).getPropertyValue(variable);
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}
