// Images with a checkbox each. State "picked" is the list of the ids of the ticked images, sent after every change.

import { mount } from "../shared/component.js";
import { make } from "../shared/dom.js";

function card({ id, url, name, description, isSmall, isWrong }, isPicked, onchange) {
  const label = make("label", undefined, { title: description, class: isWrong ? "mistake" : "" }), line = make("span");
  const box = Object.assign(make("input", undefined, { type: "checkbox", value: id }), { checked: isPicked, onchange });
  line.append(box, name);
  label.append(make("img", undefined, { src: url, alt: description, class: isSmall ? "small" : "" }), line);
  return label;
}

class Picker {
  constructor(element) {
    this.element = element;
  }

  show({ key, images, picked, areLarge }, { setStateValue }) {
    this.element.classList.toggle("picker-large", areLarge);
    if (key === this.key) return; // the ticks in the browser are newer than those of the server
    this.key = key;
    const send = () => setStateValue("picked", [...this.element.querySelectorAll(":checked")].map((box) => Number(box.value)));
    this.element.replaceChildren(...images.map((image) => card(image, picked.includes(image.id), send)));
  }
}

export default mount(".picker", (element) => new Picker(element));
