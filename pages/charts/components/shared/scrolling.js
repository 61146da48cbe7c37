// Scrolling to the container that a press has opened, and back.

const TIMEOUT = 10_000; // milliseconds until the container has to appear
const REST = 1000; // milliseconds without a change of its height after which it is complete
const INTERVAL = 30;
const BELOW_HEADER = "4.5rem"; // the height of the bar at the top of the page

export class Scroller {
  // Scroll to the Streamlit container with this key as soon as it is there, and again while it grows.
  reveal(key, block = "start") {
    let until = performance.now() + TIMEOUT, height = 0;
    this.stop();
    this.timer = setInterval(() => {
      const container = document.querySelector(`.st-key-${key}`), now = performance.now();
      if (container && container.offsetHeight !== height) {
        this.scrollTo(container, block);
        height = container.offsetHeight;
        until = now + REST;
      }
      if (now > until) this.stop();
    }, INTERVAL);
  }

  scrollTo(element, block = "start") {
    element.style.scrollMarginTop = BELOW_HEADER;
    element.scrollIntoView({ block });
  }

  stop() {
    clearInterval(this.timer);
  }
}
