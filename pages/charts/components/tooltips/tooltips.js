// Links in tooltips, for touch and keyboard. Streamlit closes a tooltip as soon as its question mark loses the focus, so a tap on a link in it comes too
// late, and the Tab key cannot reach it. Here a press on such a link leaves the focus where it is, and Enter on the question mark follows the link.

const MARK = "[data-testid=stTooltipHoverTarget] button", LINK = "[data-testid=stTooltipContent] a[href]";

export default function () {
  const keepFocus = (event) => { if (event.target.closest?.(LINK)) event.preventDefault(); };
  const followLink = (event) => {
    if (event.key === "Enter" && event.target.matches?.(MARK)) document.querySelector(LINK)?.click();
  };
  document.addEventListener("mousedown", keepFocus, true);
  document.addEventListener("keydown", followLink, true);
  return () => {
    document.removeEventListener("mousedown", keepFocus, true);
    document.removeEventListener("keydown", followLink, true);
  };
}
