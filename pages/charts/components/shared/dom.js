// HTML elements and keys.

// Return a new element with this text and these attributes.
export function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Return the elements in `element` whose class is the prefix, a hyphen and one of the names, by name.
export function findParts(element, prefix, names) {
  return Object.fromEntries(names.map((name) => [name, element.querySelector(`.${prefix}-${name}`)]));
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// Return the step of an arrow key in rows and columns; undefined for any other key.
export function arrowStep(event) {
  return ARROWS[event.key];
}

// Return the step of an arrow key in a list: 1 for down and right, -1 for up and left, 0 for any other key.
export function listStep(event) {
  const [rows, columns] = ARROWS[event.key] ?? [0, 0];
  return rows + columns;
}

// Make `to` the element of its group that the Tab key reaches; arrow keys move within the group.
export function moveTabStop(from, to) {
  if (from) from.tabIndex = -1;
  if (to) to.tabIndex = 0;
}
