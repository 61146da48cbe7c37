// A button that copies a text to the clipboard. Browsers allow this only on the same computer and over https; elsewhere the older command is used.

const copy = async (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  if (!isCopied) throw new Error("The browser refused to copy.");
};

export default function ({ data, parentElement }) {
  const [button, status] = [".copy button", ".copy span"].map((name) => parentElement.querySelector(name));
  if (button.text !== data.text) status.textContent = "";
  button.text = data.text;
  button.onclick = () => copy(data.text).then(
    () => (status.textContent = "Copied."),
    () => (status.textContent = "The browser does not allow copying. Select and copy the link below."),
  );
}
