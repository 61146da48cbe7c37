// All steps of a network as buttons with small maps, from the image to the prediction. In: the steps. `choose` is called with [step, channel] of a press.

import { listStep, make, moveTabStop } from "../shared/dom.js";
import { paintTiles } from "./feature_maps.js";
import { sizeText } from "./sentences.js";

export class Strip {
  constructor(element, choose) {
    Object.assign(this, { element, choose });
    element.onclick = (event) => this.press(event);
    element.onkeydown = (event) => this.move(event);
  }

  // `key`: another one for other steps or colours.
  show(key, steps, chosen, colours) {
    if (key !== this.key) this.element.replaceChildren(...steps.map((step, at) => this.button(step, at, colours)));
    Object.assign(this, { key, steps });
    [...this.element.children].forEach((button, at) => {
      button.setAttribute("aria-current", at === chosen);
      button.tabIndex = at === chosen ? 0 : -1;
    });
    const current = this.element.children[chosen], { offsetTop, offsetLeft } = this.element;
    this.element.scrollTo({ top: current.offsetTop - offsetTop - 120, left: current.offsetLeft - offsetLeft - 40 });
  }

  button(step, at, colours) {
    const button = make("button", undefined, { type: "button", "data-step": at, "data-kind": step.kind }), [channels, ...size] = step.shape;
    button.append(make("b", step.operation), make("span", `${sizeText(channels, size)}${step.name ? ` · ${step.name}` : ""}`));
    if (step.image) button.append(make("img", undefined, { src: step.image, alt: "" }));
    else {
      const canvas = make("canvas", undefined, { "aria-hidden": "true" });
      paintTiles(canvas, step, step.count, colours);
      button.append(canvas);
    }
    return button;
  }

  // A press on a small map chooses its channel too; a press beside the maps, the channel with the largest value.
  press(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const at = Number(button.dataset.step), step = this.steps[at], isMap = event.target.tagName === "CANVAS";
    this.choose([at, isMap ? Math.min(step.count - 1, Math.floor((event.offsetX / event.target.clientWidth) * step.count)) : step.strongest]);
  }

  move(event) {
    const step = listStep(event), next = this.element.children[Number(event.target.dataset.step) + step];
    if (!step || !next) return;
    event.preventDefault();
    moveTabStop(event.target, next);
    next.focus();
  }
}
