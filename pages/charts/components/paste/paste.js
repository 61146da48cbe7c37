// Images from the clipboard. Trigger "pasted" is a list of { name, image: data URL }. A paste into a text field or into the uploader, which accepts
// images itself, is ignored here.

const OTHER_TARGETS = "input, textarea, [contenteditable=true], [data-testid=stFileUploaderDropzone]";

const read = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve({ name: file.name, image: reader.result });
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});

export default function ({ data, parentElement, setTriggerValue }) {
  const status = parentElement.querySelector(".paste strong");
  const take = async (event) => {
    if (event.defaultPrevented || event.target.closest?.(OTHER_TARGETS)) return;
    const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    status.textContent = files.length ? "" : "There is no image in the clipboard. Copy an image first.";
    if (!files.length) return;
    event.preventDefault();
    if (files.some((file) => file.size > data.maxBytes)) status.textContent = `A pasted image may have at most ${data.maxBytes / 2 ** 20} MB. Upload larger images as files.`;
    else setTriggerValue("pasted", await Promise.all(files.map(read)));
  };
  document.addEventListener("paste", take);
  return () => document.removeEventListener("paste", take);
}
