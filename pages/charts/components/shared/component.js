// One view for each node. A rerun of the page gives new data to the existing view, so that zoom, focus and connections survive it.

// Return the function that Streamlit calls at every rerun. `create(element, component)` makes the view of the node that `selector` finds. A view has
// `show(data, component)`, called at every rerun, and may have `close()`, called once its node is gone.
export function mount(selector, create) {
  const views = new WeakMap();
  return (component) => {
    const element = component.parentElement.querySelector(selector);
    if (!views.has(element)) views.set(element, create(element, component));
    const view = views.get(element);
    view.show(component.data, component);
    return () => {
      setTimeout(() => { if (!element.isConnected) { view.close?.(); views.delete(element); } }, 0);
    };
  };
}
