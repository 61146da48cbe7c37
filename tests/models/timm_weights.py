"""Files of weights of a small network of timm, a cache as huggingface_hub lays it out, and a server that answers as the hub does."""

import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from safetensors.torch import save_file

from cnn_core.models.weights_source import FILE, HUB

SMALL = "test_efficientnet.r160_in1k"  # 360,000 parameters, for tests of timm itself
REVISION = "0123456789abcdef0123456789abcdef01234567"


def published(name: str = SMALL, seed: int = 1, classes: int = 1000) -> torch.nn.Module:
    """The network of timm with its last layer, as its weights are published."""
    import timm

    torch.manual_seed(seed)
    network: torch.nn.Module = timm.create_model(name, num_classes=classes)
    for layer in network.modules():  # statistics other than those of a new network
        if isinstance(layer, torch.nn.BatchNorm2d) and layer.running_mean is not None:
            layer.running_mean.normal_(0, 0.1)
    return network.eval()


def write_weights(path: Path, name: str = SMALL, seed: int = 1) -> Path:
    """Write the published weights of a network as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(published(name, seed).state_dict(), path)
    return path


def fill_cache(cache: Path, name: str = SMALL) -> Path:
    """Write weights into a cache as huggingface_hub does: refs, blobs, and snapshots that link to them."""
    folder = cache / f"models--{HUB}--{name}"
    blob = write_weights(folder / "blobs" / "weights", name)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(REVISION)
    snapshot = folder / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (snapshot / FILE).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot / FILE


class Hub:
    """Serves `content` as the hub serves a large file, or the rest of it where a Range is asked for.

    ranges: the Range of every GET ("" for all). sent: how much of an answer comes before the line is cut. tag: the SHA-256 that it states.
    """

    def __init__(self, content: bytes) -> None:
        self.content, self.sent, self.status = content, len(content), 200
        self.tag = hashlib.sha256(content).hexdigest()
        self.ranges: list[str] = []
        self.paths: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                hub.paths.append(self.path)
                self.send_response(hub.status)
                self.send_header("Content-Length", str(len(hub.content)))
                self.send_header("X-Linked-Size", str(len(hub.content)))
                self.send_header("ETag", f'"{hub.tag}"')
                self.send_header("X-Linked-Etag", f'"{hub.tag}"')
                self.send_header("X-Repo-Commit", REVISION)
                self.end_headers()

            def do_GET(self) -> None:
                hub.paths.append(self.path)
                wanted = self.headers.get("Range", "")
                hub.ranges.append(wanted)
                begin = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
                body = hub.content[begin:]
                self.send_response(206 if begin else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: hub.sent])

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
