// One connection to the server's event stream, which is opened again whenever it breaks. A browser opens about six connections to a host, so
// there is one for a page, not one for a chart.

const RETRY = 2000; // milliseconds until a connection that the server has refused is tried again

export class EventStream {
  // `address()` is called with the id of the last message, or null, and returns the URL to open. `onMessage(payload, type)` gets each message of the
  // `types`; `onLost()` is called when the connection breaks.
  constructor(address, { types = ["message"], onMessage, onLost }) {
    Object.assign(this, { address, types, onMessage, onLost, last: null });
    this.open();
  }

  // Also opens a connection that was closed again, from the last message on.
  open() {
    const source = (this.source = new EventSource(this.address(this.last)));
    for (const type of this.types) {
      source.addEventListener(type, (message) => {
        this.last = message.lastEventId || null;
        this.onMessage(JSON.parse(message.data), type);
      });
    }
    source.onerror = () => {
      this.onLost();
      // The browser opens a broken connection again by itself, from the last message on; not one that the server has refused.
      if (source.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.open(), RETRY);
    };
  }

  get isClosed() {
    return this.source.readyState === EventSource.CLOSED;
  }

  close() {
    this.source.close();
    clearTimeout(this.retry);
  }
}
