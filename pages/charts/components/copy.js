// Puts a text into the clipboard. Browsers allow that on this computer and on https:// only; elsewhere the older command is tried.

const copy = async (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  if (!isDone) throw new Error("refused");
};

export default function (component) {
  const { data, parentElement } = component;
  const [button, status] = [".copy button", ".copy span"].map((name) => parentElement.querySelector(name));
  if (button.text !== data.text) status.textContent = "";
  button.text = data.text;
  button.onclick = () => copy(data.text).then(
    () => (status.textContent = "Copied."),
    () => (status.textContent = "The browser does not allow it. Select the link below and copy it."),
  );
}
