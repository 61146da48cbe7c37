// All steps of a network as buttons with small maps, from the image to the answer. In: the steps as they came. Tells the step and the channel of a
// press. Put before the code of the component that shows it.

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

class Strip {
  constructor(element, choose) {
    Object.assign(this, { element, choose });
    element.onclick = (event) => this.press(event);
    element.onkeydown = (event) => this.move(event);
  }

  // `name`: another one for other steps or other colours.
  show(name, steps, chosen, tones) {
    if (name !== this.name) this.element.replaceChildren(...steps.map((step, at) => this.button(step, at, tones)));
    Object.assign(this, { name, steps });
    [...this.element.children].forEach((button, at) => {
      button.setAttribute("aria-current", at === chosen);
      button.tabIndex = at === chosen ? 0 : -1;
    });
    const own = this.element.children[chosen], { offsetTop, offsetLeft } = this.element;
    this.element.scrollTo({ top: own.offsetTop - offsetTop - 120, left: own.offsetLeft - offsetLeft - 40 });
  }

  button(step, at, tones) {
    const button = make("button", undefined, { type: "button", "data-step": at }), [channels, ...size] = step.shape;
    button.append(make("b", step.word), make("span", `${amount(channels, size)}${step.name ? ` · ${step.name}` : ""}`));
    if (step.picture) button.append(Object.assign(make("img"), { src: step.picture, alt: "" }));
    else {
      const canvas = make("canvas", undefined, { "aria-hidden": "true" });
      paintTiles(canvas, step, step.count, tones);
      button.append(canvas);
    }
    return button;
  }

  // A press on a small map chooses its channel too; beside them, that with the largest number.
  press(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const at = Number(button.dataset.step), step = this.steps[at], isMap = event.target.tagName === "CANVAS";
    this.choose([at, isMap ? Math.min(step.count - 1, Math.floor((event.offsetX / event.target.clientWidth) * step.count)) : step.best]);
  }

  // One stop for the tab key; the arrows go from there.
  move(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key], next = this.element.children[Number(event.target.dataset.step) + step];
    if (!step || !next) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}
