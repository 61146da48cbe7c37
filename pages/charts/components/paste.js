// Pictures from the clipboard. Trigger "pasted" is a list of {name, image: data URL}. A paste into a field is left to the field,
// and one into the uploader, which takes pictures itself, to the uploader.

const OWN_PASTE = "input, textarea, [contenteditable=true], [data-testid=stFileUploaderDropzone]";

const read = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve({ name: file.name, image: reader.result });
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const status = parentElement.querySelector(".paste strong");
  const take = async (event) => {
    if (event.defaultPrevented || event.target.closest?.(OWN_PASTE)) return;
    const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    status.textContent = files.length ? "" : "There is no picture in the clipboard.";
    if (!files.length) return;
    event.preventDefault();
    if (files.some((file) => file.size > data.most)) status.textContent = `A pasted picture can have ${data.most / 2 ** 20} MB. Upload larger ones.`;
    else setTriggerValue("pasted", await Promise.all(files.map(read)));
  };
  document.addEventListener("paste", take);
  return () => document.removeEventListener("paste", take);
}
