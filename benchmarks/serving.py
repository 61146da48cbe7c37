"""The endpoint under load: requests a second, how long they take, and what it refuses. `python -m benchmarks.serving [--seconds 10]`

The server is `python -m cnn_core serve` in a process of its own; the load is another one, with CONNECTIONS kept open, each of which sends
its next picture when the last was answered. Pictures are 32×32 PNG files. The colour network is the tutorial's SimpleCNN as it begins:
what it knows makes no difference to its pace. The digits are made ready as drawings are, which is more work than a colour picture's.
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

import numpy as np
import torch
from PIL import Image

from benchmarks.dashboard import ROOT
from benchmarks.machine import percentile, print_table
from cnn_core.config.defaults import make_config
from cnn_core.data.catalog import CATALOG
from cnn_core.home import Home
from cnn_core.models.saving import ModelCard, save_card, save_weights
from cnn_core.runs.store import Store

CONNECTIONS, PICTURES, WARM_SECONDS = 16, 64, 2.0
DATA = {"cifar10": "colour", "digits": "digits"}


def main() -> None:
    parser = argparse.ArgumentParser(description="The endpoint under load.")
    parser.add_argument("--seconds", type=float, default=10, help="of load for each network (default 10)")
    parser.add_argument("--load", type=int, nargs=2, metavar=("PORT", "CHANNELS"), help="be the load on a server that runs")
    args = parser.parse_args()
    if args.load:
        print(json.dumps(asyncio.run(load(args.load[0], pictures(args.load[1]), args.seconds))))
    else:
        measure_all(args.seconds)


def measure_all(seconds: float) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Home(Path(folder)))
        for data, name in DATA.items():
            with served(store, make_run(store, data)) as (port, process):
                rows += measure(port, process, name, CATALOG[data].info.channels, seconds)
                rows += refusals(port) if data == "cifar10" else []
    print_table(f"Serving single 32×32 pictures on {CONNECTIONS} connections (load {os.getloadavg()[0]:.1f})", rows)


def make_run(store: Store, data: str) -> str:
    """A finished run with a SimpleCNN for the set's pictures, as it begins."""
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
        fingerprint="",
    )
    torch.manual_seed(0)

    def prepare(run: str, folder: Path) -> None:
        save_card(folder, card)
        save_weights(folder, card.build())

    return store.create(config, "finished", prepare=prepare)


@contextmanager
def served(store: Store, run: str) -> Iterator[tuple[int, int]]:
    """The run served for the block; gives the port and the process's id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cnn_core", "serve", run, "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "CNN_STUDIO_HOME": str(store.home.root)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = process.stderr.readline()
        if "http://" not in line:
            raise RuntimeError(f"The endpoint did not start: {line}{process.stderr.read()}")
        yield int(line.split("http://")[1].split(" ")[0].rpartition(":")[2]), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def measure(port: int, process: int, name: str, channels: int, seconds: float) -> list[tuple[str, str, str]]:
    """The table's rows for one network."""
    before, command = (
        cpu_seconds(process),
        [sys.executable, "-m", "benchmarks.serving", "--load", str(port), str(channels), "--seconds", str(seconds)],
    )
    out = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=20 * seconds + 120).stdout
    took, errors, elapsed = json.loads(out)
    health = ask(port, "GET", "/health")[1]
    work = (cpu_seconds(process) - before) / health["answered"]
    together = health["images"] / max(1, health["batches"])
    return [
        (f"{name}: requests a second", "≥ 200", f"{len(took) / elapsed:,.0f} ({errors} errors, {together:.1f} pictures at once)"),
        (
            f"{name}: p50, p99 of a request",
            "p99 ≤ 100 ms",
            f"{percentile(took, 50) * 1000:.0f} ms, {percentile(took, 99) * 1000:.0f} ms",
        ),
        (f"{name}: work of the server", "", f"{work * 1000:.1f} ms of a core for a request"),
    ]


async def load(port: int, requests: list[bytes], seconds: float) -> tuple[list[float], int, float]:
    """Seconds that every request took, how many were not answered with 200, and the seconds of it all."""
    await asyncio.gather(*(_client(port, requests, number, WARM_SECONDS) for number in range(CONNECTIONS)))
    begun = time.perf_counter()
    found = await asyncio.gather(*(_client(port, requests, number, seconds) for number in range(CONNECTIONS)))
    took = [second for times, _ in found for second in times]
    return took, sum(errors for _, errors in found), time.perf_counter() - begun


async def _client(port: int, requests: list[bytes], number: int, seconds: float) -> tuple[list[float], int]:
    """One connection that is kept open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took, errors, end = [], 0, time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        writer.write(requests[(number + len(took)) % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - begun)
        errors += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    return took, errors


def pictures(channels: int) -> list[bytes]:
    """Requests with 32×32 pictures that differ: noise, or one thick stroke."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(PICTURES):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        if channels == 1:
            pixels = np.zeros((32, 32), np.uint8)
            pixels[4:28, 6 + number % 16 : 10 + number % 16] = 255
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        body = out.getvalue()
        head = f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: {len(body)}\r\n\r\n"
        found.append(head.encode() + body)
    return found


def cpu_seconds(process: int) -> float:
    """Processor time that a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def refusals(port: int) -> list[tuple[str, str, str]]:
    """Rows for what is no picture or too large, and that the server goes on after it."""
    rng = np.random.default_rng(1)
    statuses = [ask(port, "POST", "/predict", rng.bytes(int(rng.integers(0, 4096))))[0] for _ in range(200)]
    begun = time.perf_counter()
    oversized = ask(port, "POST", "/predict", bytes(20 * 2**20))[0]
    took = time.perf_counter() - begun
    alive = ask(port, "GET", "/health")[0]
    return [
        ("200 malformed bodies", "422, no crash", f"statuses {sorted(set(statuses))}, then /health {alive}"),
        ("20 MB at once", "413", f"{oversized} after {took * 1000:.0f} ms"),
    ]


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
    """Status and JSON of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "image/png"} if body is not None else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


if __name__ == "__main__":
    main()
