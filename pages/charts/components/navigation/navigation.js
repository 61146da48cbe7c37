// What happens when another page is opened: a screen reader is led to its heading, and on a narrow window the menu, which covers the page, closes.
// In: the name of the page. After the first page of a tab nothing happens: the browser reads a new document by itself. Icons in Markdown, as in badges,
// are hidden from screen readers, to which Streamlit gives their names ("check_circle icon"), except where an icon is all that names a button. Each
// rerun, also that of a fragment, makes them anew: therefore the document is watched.

const NARROW = "(max-width: 768px)"; // below that width Streamlit lays the menu over the page

const closeMenu = () => document.querySelector('[data-testid="stSidebar"][data-collapsed="false"] [data-testid="stSidebarCollapseButton"] button')?.click();

const focusHeading = () => {
  const heading = document.querySelector('[data-testid="stMain"] h1');
  if (!heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
};

const ICON = 'span[role="img"][aria-label$=" icon"]';

const silenceIcons = () => {
  for (const icon of document.querySelectorAll(`${ICON}:not([aria-hidden="true"])`)) {
    const control = icon.closest("button, a");
    if (!control || control.ariaLabel || control.textContent !== icon.textContent) icon.setAttribute("aria-hidden", true);
  }
};

let isDue = false;
const watcher = new MutationObserver(() => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; silenceIcons(); }); // before the change is painted
});

export default function ({ data }) {
  watcher.observe(document.body, { childList: true, subtree: true, attributeFilter: ["aria-label", "aria-hidden"] });
  silenceIcons();
  const root = document.documentElement.dataset, before = root.page;
  root.page = data.page;
  if (before === undefined || before === data.page) return;
  if (matchMedia(NARROW).matches) closeMenu();
  focusHeading();
}
