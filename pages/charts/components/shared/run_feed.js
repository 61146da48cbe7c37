// What the page knows of the run that it shows: the live panel receives it, and other charts of the page draw it too. A page has one connection.

const feed = (window.cnnStudioFeed ??= { views: new Set(), history: null });

// Give all views the run's history as it is now: curves by step, epochs, classes (see live.js).
export function publish(history) {
  feed.history = history;
  for (const view of feed.views) view.onHistory(history);
}

// Have `view.onHistory` called with the history now, if there is one, and whenever it grows. Return a function that ends this.
export function follow(view) {
  feed.views.add(view);
  if (feed.history) view.onHistory(feed.history);
  return () => feed.views.delete(view);
}
