// Pictures to tick. State "picked" is the list of the ticked pictures' ids, sent after every tick.

const drawn = new WeakMap();

function card({ id, url, name, about, small }, isPicked, change) {
  const label = document.createElement("label");
  const [image, line, box] = [document.createElement("img"), document.createElement("span"), document.createElement("input")];
  label.title = about;
  Object.assign(image, { src: url, alt: about, className: small ? "small" : "" });
  Object.assign(box, { type: "checkbox", value: id, checked: isPicked, onchange: change });
  line.append(box, name);
  label.append(image, line);
  return label;
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const element = parentElement.querySelector(".picker");
  if (drawn.get(element) === data.show) return;  // the ticks of the person are newer than what the server knows
  drawn.set(element, data.show);
  const send = () => setStateValue("picked", [...element.querySelectorAll(":checked")].map((box) => Number(box.value)));
  element.replaceChildren(...data.pictures.map((picture) => card(picture, data.picked.includes(picture.id), send)));
}
