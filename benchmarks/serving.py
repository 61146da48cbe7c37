"""Measure the HTTP endpoint under load: requests per second, latency, and refused requests. `python -m benchmarks.serving [--seconds 10]`

The server is `python -m cnn_core serve` in a process of its own. The load comes from another process with CONNECTIONS keep-alive connections, each of which
sends its next image when it has received the response. Images are 32×32 PNG files. The networks are untrained SimpleCNNs, because the
weights do not affect the speed. Digits are preprocessed like drawings, which takes longer than for colour images.
"""

import argparse
import asyncio
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.dashboard import ROOT, environment
from benchmarks.machine import Rows, percentile, print_table
from cnn_core.config.defaults import make_config
from cnn_core.data.catalog import CATALOG
from cnn_core.home import Home
from cnn_core.models.saving import ModelCard, save_card, save_weights
from cnn_core.runs.store import Store

CONNECTIONS, IMAGES, WARM_UP_SECONDS = 16, 64, 2.0
DATA = {"cifar10": "colour", "digits": "digits"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the HTTP endpoint under load.")
    parser.add_argument("--seconds", type=float, default=10, help="seconds of load for each network (default 10)")
    parser.add_argument(
        "--load",
        type=int,
        nargs=2,
        metavar=("PORT", "CHANNELS"),
        help="put load on a running server (used by the benchmark itself)",
    )
    args = parser.parse_args()
    if args.load:
        print(json.dumps(asyncio.run(send_load(args.load[0], make_requests(args.load[1]), args.seconds))))
    else:
        measure_all(args.seconds)


def measure_all(seconds: float) -> None:
    """Measure both networks and print the table."""
    rows: Rows = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Home(Path(folder)))
        for data, name in DATA.items():
            with serve(store, make_run(store, data)) as (port, process):
                rows += measure_load(port, process, name, CATALOG[data].info.channels, seconds)
                rows += measure_refusals(port) if data == "cifar10" else []
    print_table(f"`serve`, single 32×32 images on {CONNECTIONS} connections (load average {os.getloadavg()[0]:.1f})", rows)


def make_run(store: Store, data: str) -> str:
    """Create a finished run with an untrained SimpleCNN for the images of a data set; return its name."""
    info, config = CATALOG[data].info, make_config(data=data)
    card = ModelCard(
        model=config.model,
        options=config.model_options,
        classes=info.classes,
        mean=(0.5,) * info.channels,
        std=(0.25,) * info.channels,
        channels=info.channels,
        image_size=info.image_size,
        ink=info.ink,
        fit=info.fit,
        interpolation=info.interpolation,
        crop_share=info.crop_share,
        fingerprint="",
    )
    torch.manual_seed(0)

    def prepare(run: str, folder: Path) -> None:
        save_card(folder, card)
        save_weights(folder, card.build())

    return store.create(config, "finished", prepare=prepare)


@contextmanager
def serve(store: Store, run: str) -> Iterator[tuple[int, int]]:
    """Serve the run within the block; yield the port and the id of the server's process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cnn_core", "serve", run, "--port", "0"],
        cwd=ROOT,
        env=environment(store.home.root),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr
    try:
        line = process.stderr.readline()
        if "http://" not in line:
            raise RuntimeError(f"The endpoint did not start: {line}{process.stderr.read()}")
        yield int(line.split("http://")[1].split(" ")[0].rpartition(":")[2]), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def measure_load(port: int, process: int, name: str, channels: int, seconds: float) -> Rows:
    """Return the rows for one network."""
    command = [sys.executable, "-m", "benchmarks.serving", "--load", str(port), str(channels), "--seconds", str(seconds)]
    before = cpu_seconds(process)
    out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=20 * seconds + 120).stdout
    latencies, errors, elapsed = json.loads(out)
    health = send(port, "GET", "/health")[1]
    cpu_per_request = (cpu_seconds(process) - before) / health["answered"]
    batch_size = health["images"] / max(1, health["batches"])
    return [
        (
            f"{name}: requests per second",
            "≥ 200",
            f"{len(latencies) / elapsed:,.0f} ({errors} errors, mean batch size {batch_size:.1f})",
        ),
        (
            f"{name}: latency of a request, p50 and p99",
            "p99 ≤ 100 ms",
            f"{percentile(latencies, 50) * 1000:.0f} ms, {percentile(latencies, 99) * 1000:.0f} ms",
        ),
        (f"{name}: CPU time of the server per request", "", f"{cpu_per_request * 1000:.1f} ms"),
    ]


async def send_load(port: int, requests: list[bytes], seconds: float) -> tuple[list[float], int, float]:
    """Send requests on all connections; return their latencies in seconds, the number without status 200, and the seconds in all."""
    await asyncio.gather(*(_send_requests(port, requests, number, WARM_UP_SECONDS) for number in range(CONNECTIONS)))
    start = time.perf_counter()
    results = await asyncio.gather(*(_send_requests(port, requests, number, seconds) for number in range(CONNECTIONS)))
    latencies = [latency for times, _ in results for latency in times]
    return latencies, sum(errors for _, errors in results), time.perf_counter() - start


async def _send_requests(port: int, requests: list[bytes], number: int, seconds: float) -> tuple[list[float], int]:
    """Send requests on one keep-alive connection; return their latencies in seconds and the number without status 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies: list[float] = []
    errors, end = 0, time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        writer.write(requests[(number + len(latencies)) % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - start)
        errors += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    return latencies, errors


def make_requests(channels: int) -> list[bytes]:
    """Return requests with different 32×32 images: noise in colour, or one thick stroke."""
    rng = np.random.default_rng(0)
    requests = []
    for number in range(IMAGES):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        if channels == 1:
            pixels = np.zeros((32, 32), np.uint8)
            pixels[4:28, 6 + number % 16 : 10 + number % 16] = 255
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        body = out.getvalue()
        head = f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: {len(body)}\r\n\r\n"
        requests.append(head.encode() + body)
    return requests


def cpu_seconds(process: int) -> float:
    """Return the CPU seconds that a process has used so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_refusals(port: int) -> Rows:
    """Return the rows for malformed and oversized bodies, after which the server must keep running."""
    rng = np.random.default_rng(1)
    statuses = [send(port, "POST", "/predict", rng.bytes(int(rng.integers(0, 4096))))[0] for _ in range(200)]
    start = time.perf_counter()
    oversized = send(port, "POST", "/predict", bytes(20 * 2**20))[0]
    seconds = time.perf_counter() - start
    health = send(port, "GET", "/health")[0]
    return [
        ("200 malformed bodies", "status 422 each", f"statuses {sorted(set(statuses))}, then {health} from /health"),
        ("a body of 20 MB", "status 413", f"status {oversized} after {seconds * 1000:.0f} ms"),
    ]


def send(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    """Send one request; return the status and the JSON of its response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "image/png"} if body is not None else {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


if __name__ == "__main__":
    main()
