// Streamlit closes a tooltip as soon as its question mark loses the focus: a finger's tap on a link in it comes too late, and the
// Tab key never gets there. So a press on such a link leaves the focus where it is, and Enter on the question mark follows the link.

const MARK = "[data-testid=stTooltipHoverTarget] button", LINK = "[data-testid=stTooltipContent] a[href]";

export default function () {
  const keep = (event) => { if (event.target.closest?.(LINK)) event.preventDefault(); };
  const follow = (event) => {
    if (event.key === "Enter" && event.target.matches?.(MARK)) document.querySelector(LINK)?.click();
  };
  document.addEventListener("mousedown", keep, true);
  document.addEventListener("keydown", follow, true);
  return () => {
    document.removeEventListener("mousedown", keep, true);
    document.removeEventListener("keydown", follow, true);
  };
}
