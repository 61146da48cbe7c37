"""A thousand malformed images on the way that a person's own image takes: each an image or a sentence, in little memory, leaving nothing."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnn_core.data.decoder import DAMAGED, MAX_PIXELS, MAX_WEBP_PIXELS, UNREADABLE, read_image
from cnn_core.models.saving import ModelCard, save_card, save_weights
from tests.data.corrupted_files import corrupted_files, oversized_files, valid_files
from tests.helpers import ROOT, is_a_sentence

COUNT, SEED = 905, 20_261_125
LIMIT = 2**31  # bytes beyond what the imports take: the test fails before the machine does
SCRIPT = """
import json, re, resource, sys, time, traceback
from pathlib import Path
from cnn_core.data.decoder import DecodedImage, read_image
from cnn_core.errors import ImageError
from cnn_core.inference.classifier import Classifier
from tests.data.corrupted_files import oversized_files, valid_files, corrupted_files

count, seed, limit = map(int, sys.argv[3:])
classifiers = [Classifier(Path(folder)) for folder in sys.argv[1:3]]
refusals, failures, read, valid = [], [], 0, 0

def give(name, data):
    global read
    try:
        decoded = read_image(data, "The image")
        assert isinstance(decoded, DecodedImage) and decoded.image.mode == "RGB" and min(decoded.image.size) > 0
        read += 1
        for classifier in classifiers:
            ranked = classifier.classify(decoded.image).ranked
            assert abs(sum(share for _, share in ranked) - 1) < 1e-3
    except ImageError as refusal:
        refusals.append(str(refusal))
    except BaseException:
        failures.append(name + "\\n" + traceback.format_exc())

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

for name, data in valid_files().items():
    give(name, data)
valid, read, before = read, 0, peak()
used = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + limit, used + limit))
began, highest, total = time.process_time(), "", 0
for name, data in [*corrupted_files(count, seed), *oversized_files()]:
    reached = peak()
    give(name, data)
    total += 1
    highest = name if peak() > reached + 10 else highest
told = {"valid": valid, "total": total, "read": read, "refusals": refusals, "failures": failures, "highest": highest}
print(json.dumps({**told, "megabytes": peak() - before, "seconds": time.process_time() - began}))
"""


def network(folder: Path, **chosen: Any) -> Path:
    """A run's folder with a small network in it that has learned nothing."""
    folder.mkdir()
    facts = {"model": "simple", "classes": ("a", "b", "c"), "image_size": 32, "fingerprint": ""}
    card = ModelCard(**facts, **chosen)
    save_card(folder, card)
    save_weights(folder, card.build())
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process of its own told after it was given all of them; `left`: the files in its folder for temporary ones."""
    root = tmp_path_factory.mktemp("spoiled")
    (root / "temporary").mkdir()
    colour = network(root / "colour", channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)
    ink = network(root / "ink", channels=1, mean=(0.1,), std=(0.3,), ink="uci")
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(colour), str(ink), str(COUNT), str(SEED), str(LIMIT)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(root / "temporary"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert process.returncode == 0, process.stderr
    left = [str(path) for path in (root / "temporary").rglob("*")]
    return {**json.loads(process.stdout.splitlines()[-1]), "errors": process.stderr, "left": left}


def test_every_file_is_read_or_refused_and_none_raises_another_error(report: dict[str, Any]):
    assert report["total"] == COUNT + 5 * len(valid_files()) == 1000
    assert report["failures"] == [] and "Traceback" not in report["errors"]
    assert all(map(is_a_sentence, report["refusals"]))


def test_valid_files_are_all_read_and_most_corrupted_files_are_refused(report: dict[str, Any]):
    assert report["valid"] == len(valid_files())
    assert 100 < report["read"] < 700
    for text in (UNREADABLE, DAMAGED, f"{MAX_PIXELS // 10**6} million pixels", f"{MAX_WEBP_PIXELS // 10**6} million pixels"):
        assert any(text in refusal for refusal in report["refusals"]), text


def test_they_take_at_most_half_a_gigabyte_beyond_the_imports_and_leave_nothing_behind(report: dict[str, Any]):
    assert report["megabytes"] <= 512, report["highest"]
    assert report["left"] == []


def test_the_same_seed_corrupts_in_the_same_way():
    first, second = (dict(corrupted_files(40, SEED)) for _ in range(2))
    assert first == second and len(set(first.values())) > 35
    assert len(set(dict(oversized_files()).values())) > 80


@pytest.mark.parametrize("kind", ["alpha", "indexed", "deep"])
def test_a_tall_image_is_converted_in_parts_to_what_the_whole_would_be(kind: str):
    values = np.random.default_rng(0).integers(0, 65_536, (700, 40, 4), np.uint16)
    image = {
        "alpha": Image.fromarray(values.astype(np.uint8)),
        "indexed": Image.fromarray((values[..., 0] % 9).astype(np.uint8)).convert("P"),
        "deep": Image.fromarray(values[..., 0]),
    }[kind]
    out = io.BytesIO()
    image.save(out, "PNG", **({"transparency": 3} if kind == "indexed" else {}))
    if kind == "deep":
        expected = np.repeat((values[..., :1] / 257).round(), 3, 2)
    else:
        clear = Image.open(out).convert("RGBA")
        expected = np.asarray(Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB"))
    np.testing.assert_array_equal(np.asarray(read_image(out.getvalue(), "It").image), expected)
