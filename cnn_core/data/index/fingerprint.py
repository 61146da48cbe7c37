"""Which version of a data set this is: a fingerprint of its images, classes and splits, and of every correction.

Two runs with the same fingerprint used the same data; undoing a correction restores the earlier fingerprint.
"""

import hashlib
import json

from cnn_core.data.index.index import Index


def import_fingerprint(index: Index) -> str:
    """Compute the fingerprint of the data set as imported and split, without corrections; stored among the facts."""
    facts = index.facts()
    names = ("classes", "image_size", "channels", *(["kept_side"] if facts.get("kept_side") else []))
    described = {name: facts[name] for name in names} | {"fit": facts["options"]["fit"]}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for chunk in index.imported_images():
        digest.update(repr(chunk).encode())
    return digest.hexdigest()[:16]


def current_fingerprint(index: Index, imported: str) -> str:
    """Return the fingerprint of the data set as it is now: `imported`, extended where images are corrected."""
    corrected = index.corrections.corrected_images()
    return f"{imported}-{hashlib.sha256(repr(corrected).encode()).hexdigest()[:8]}" if corrected else imported
