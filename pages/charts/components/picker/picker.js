// Images with a checkbox each, and a button that shows one image large. State "picked" is the list of the ids of the ticked images, sent after
// every change.

import { mount } from "../shared/component.js";
import { make } from "../shared/dom.js";

const LENS = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M10 2h4v4M14 2 9.5 6.5M6 14H2v-4M2 14l4.5-4.5"/></svg>';

function card({ id, url, name, description, isSmall, isWrong }, isPicked, onchange, onenlarge) {
  const place = make("div", undefined, { class: "picker-card" });
  const label = make("label", undefined, { title: description, class: isWrong ? "mistake" : "" }), line = make("span");
  const box = Object.assign(make("input", undefined, { type: "checkbox", value: id }), { checked: isPicked, onchange });
  line.append(box, name);
  label.append(make("img", undefined, { src: url, alt: description, class: isSmall ? "small" : "" }), line);
  const enlarge = make("button", undefined, { type: "button", class: "picker-enlarge", "aria-label": `Enlarge ${description}`, title: "Enlarge" });
  enlarge.innerHTML = LENS;
  enlarge.onclick = onenlarge;
  place.append(label, enlarge);
  return place;
}

// Show `images[at]` large, with buttons and arrow keys for the ones before and after it. Escape closes it, and the focus returns to the button.
function enlarge(parent, images, at) {
  const dialog = make("dialog", undefined, { class: "picker-dialog" });
  const picture = make("img"), text = make("p"), bar = make("div");
  const show = (number) => {
    at = (number + images.length) % images.length;
    const { url, description, isSmall } = images[at];
    Object.assign(picture, { src: url, alt: description, className: isSmall ? "small" : "" });
    text.textContent = description;
  };
  for (const [label, act] of [["Previous", () => show(at - 1)], ["Next", () => show(at + 1)], ["Close", () => dialog.close()]]) {
    const button = make("button", label, { type: "button" });
    button.onclick = act;
    bar.append(button);
  }
  dialog.setAttribute("aria-label", "Image");
  dialog.append(picture, text, bar);
  dialog.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) show(at + step);
    event.stopPropagation(); // keys of the dialog are not shortcuts of the page
  };
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  dialog.onclose = () => dialog.remove();
  parent.append(dialog);
  show(at);
  dialog.showModal();
  bar.lastChild.focus();
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
    this.element.replaceChildren(...images.map((image, at) =>
      card(image, picked.includes(image.id), send, () => enlarge(this.element, images, at))));
  }
}

export default mount(".picker", (element) => new Picker(element));
