// The statuses of the runs that a page lists, and those that the server has now. A page whose statuses are outdated is rerun, once for each change.

// Compared when the server sends something, not when the page is rerun: a page may be newer than the last message.
export class StatusWatch {
  // ask(key): has the page rerun; `key` differs from change to change.
  constructor(ask) {
    Object.assign(this, { ask, now: {}, page: {}, asked: undefined, askedAt: -Infinity, pause: 0, hasEnded: false });
  }

  // The page shows `run` with this status, and `active`: the statuses of the runs that wait or train by id.
  onPage(run, status, active) {
    if (run !== this.run) Object.assign(this, { now: { ...active, [run]: status }, asked: undefined });
    Object.assign(this, { run, page: { ...active, [run]: status } });
  }

  // The server sent the run's own status.
  onRun(status, isActive) {
    this.hasEnded = !isActive;
    this.now = { ...this.now, [this.run]: status };
    this.compare();
  }

  // The server sent the runs that wait or train. `pause`: seconds between two reruns for the sake of other runs.
  onActive({ active, pause }) {
    const own = this.hasEnded ? active[this.run] ?? this.now[this.run] : this.now[this.run]; // a run that has ended may be resumed elsewhere
    Object.assign(this, { now: { ...active, [this.run]: own }, pause: 1000 * pause });
    this.compare();
  }

  compare() {
    const text = (statuses) => JSON.stringify(Object.entries(statuses).sort());
    const key = text(this.now), isOwn = this.now[this.run] !== this.page[this.run];
    clearTimeout(this.timer);
    if (key === text(this.page)) this.asked = undefined;
    if (key === text(this.page) || key === this.asked || (document.hidden && !isOwn)) return;
    const wait = isOwn ? 0 : this.askedAt + this.pause - performance.now();
    if (wait > 0) this.timer = setTimeout(() => this.compare(), wait);
    else {
      Object.assign(this, { asked: key, askedAt: performance.now() });
      this.ask(key);
    }
  }

  close() {
    clearTimeout(this.timer);
  }
}
