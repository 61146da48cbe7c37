// The values of a chart as a table, for people who do not see it. It is written when it is opened, and again when there are new values.

import { make } from "./dom.js";

const MOST_ROWS = 60; // of a long curve; the others are left out at equal steps

// Return at most MOST_ROWS of 0..count-1, with both ends.
export function evenly(count) {
  if (count <= MOST_ROWS) return [...Array(count).keys()];
  return [...new Set(Array.from({ length: MOST_ROWS }, (_, row) => Math.round((row * (count - 1)) / (MOST_ROWS - 1))))];
}

export class ChartTable {
  // details: an empty <details>. columns(): a list of [title, texts], all equally long. label: what the table holds.
  constructor(details, label, columns) {
    Object.assign(this, { details, label, columns });
    this.place = make("div", undefined, { class: "studio-table", tabindex: 0, role: "region", "aria-label": label });
    details.replaceChildren(make("summary", "Table"), this.place);
    details.ontoggle = () => this.update();
  }

  update() {
    if (!this.details.open) return;
    const columns = this.columns(), count = columns[0][1].length, rows = evenly(count);
    const content = JSON.stringify(columns);
    if (content === this.content) return;
    this.content = content;
    const table = make("table"), head = table.createTHead().insertRow(), body = table.createTBody();
    for (const [title] of columns) head.append(make("th", title, { scope: "col" }));
    for (const row of rows) {
      const line = body.insertRow();
      columns.forEach(([, texts], at) => line.append(make(at ? "td" : "th", texts[row], at ? {} : { scope: "row" })));
    }
    const note = rows.length < count ? [make("p", `${rows.length} of ${count.toLocaleString("en")} points, at equal steps.`, { class: "studio-note" })] : [];
    this.place.replaceChildren(table, ...note);
  }
}
