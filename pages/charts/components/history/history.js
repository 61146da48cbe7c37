// The entries of the browser's history, one for each thing that a person opened, so that one press of Back leaves it.
// Streamlit adds an entry whenever a page writes its address, also where the page only completes the address that was opened (/train to /train?run=…),
// and before it switches to another page it writes the query of the new page into the address of the old one.
// In: whether the page is a form. Its fields are in its address, and a change of a field is no place to go back to.
// It begins when the first page of a tab is drawn: what that page wrote before has its entry.

const SWITCH_MS = 1000; // between the two changes of the address that belong to one switch; a second press of the button may come between
const ACTIONS = ["pointerdown", "keydown", "click", "input"];

let isForm = false;
let hasActed = false; // whether the person did anything since the last entry was added
let written = null; // the page's last changes of its address, one directly after the other: when, the address before them, and whether an entry was added

const noteAction = () => {
  hasActed = true;
  if (written && performance.now() - written.at > SWITCH_MS) written = null;
};

const forget = () => { hasActed = false; written = null; };

const install = () => {
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  history.pushState = (state, title, url) => {
    const next = new URL(url, location.href), before = location.href;
    if (next.pathname === location.pathname) {
      const at = performance.now(), isAdded = hasActed && !isForm;
      const keepsAll = [...new URLSearchParams(location.search).keys()].every((name) => next.searchParams.has(name)); // pages add their parameters one by one
      const isNext = written && !hasActed && at - written.at < SWITCH_MS && keepsAll;
      written = isNext ? { ...written, at } : { at, before, isAdded };
      hasActed = false;
      return isAdded ? push(state, title, url) : replace(state, title, url);
    }
    const isSwitch = written && next.search === location.search, { before: own, isAdded } = written ?? {};
    forget();
    if (isSwitch && isAdded) return replace(state, title, url);
    if (isSwitch) replace(state, title, own);
    return push(state, title, url);
  };
  for (const action of ACTIONS) addEventListener(action, noteAction, { capture: true, passive: true });
  addEventListener("popstate", forget, { capture: true });
};

let isInstalled = false;

export default function ({ data }) {
  isForm = data.form;
  if (isInstalled) return;
  isInstalled = true;
  install();
}
