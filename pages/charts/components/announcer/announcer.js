// An invisible live region. In: its text. The first text is not read, later ones are when they differ.

import { mount } from "../shared/component.js";

class Announcer {
  constructor(element) {
    this.element = element;
  }

  show({ text }) {
    if (this.known !== undefined && text !== this.known) this.element.textContent = text;
    this.known = text;
  }
}

export default mount(".announcer", (element) => new Announcer(element));
