// Scrolls to a container that a press has filled. In: the container's key, and a number that is higher after each such press.

import { mount } from "../shared/component.js";
import { Scroller } from "../shared/scrolling.js";

class Reveal {
  constructor() {
    this.scroller = new Scroller();
  }

  show({ container, number }) {
    if (number > this.number) this.scroller.reveal(container);
    this.number = number;
  }

  close() {
    this.scroller.stop();
  }
}

export default mount(".reveal", () => new Reveal());
