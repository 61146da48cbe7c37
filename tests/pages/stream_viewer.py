"""A client of the live stream over HTTP, for tests."""

import json
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT = 10  # seconds to wait for anything


class Viewer:
    """A connection to the stream of a run: an iterator of (id, payload) until the stream ends."""

    label = b"id: "  # the field of a message beside its payload

    def __init__(self, url, run, *, since=None, last_event_id=None):
        query = f"?since={since}" if since else ""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        request = urllib.request.Request(f"{url}/api/runs/{run}/events{query}", headers=headers)
        self.response = urllib.request.urlopen(request, timeout=TIMEOUT)
        self.content_type = self.response.headers["Content-Type"]

    def __iter__(self):
        return self

    def __next__(self):
        name = None
        for line in self.response:
            if line.startswith(self.label):
                name = line.removeprefix(self.label).strip().decode()
            elif line.startswith(b"data: "):
                return name, json.loads(line[6:])
        raise StopIteration

    def read_until(self, condition):
        """Return all messages up to the first one whose payload fulfils `condition`."""
        messages = []
        for message in self:
            messages.append(message)
            if condition(message[1]):
                return messages
        raise AssertionError(f"the stream ended before; last was {messages[-1:]}")

    def close(self):
        self.response.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def drawn(messages, name="loss"):
    """Return the x values that a page has drawn after these messages."""
    x = []
    for _, payload in messages:
        x = payload["steps"][name]["x"] if payload["reset"] else x + payload["steps"][name]["x"]
    return x


class TogetherViewer(Viewer):
    """A connection to the stream of several runs: an iterator of (run, payload)."""

    label = b"event: "

    def __init__(self, url, *runs):
        query = urllib.parse.urlencode([("run", run) for run in runs])
        self.response = urllib.request.urlopen(f"{url}/api/events?{query}", timeout=TIMEOUT)
