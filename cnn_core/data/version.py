"""Which version of a set this is: a fingerprint of its images, classes and parts, and of every correction that holds.

Two runs with the same fingerprint used the same data; undoing a correction brings the fingerprint back.
"""

import hashlib
import json

from cnn_core.data.index import Index


def fingerprint(index: Index) -> str:
    """Of the set as it was imported and split, corrections left out: computed when one of these changes, then kept among the facts."""
    facts = index.facts()
    told = {name: facts[name] for name in ("classes", "image_size", "channels")} | {"fit": facts["options"]["fit"]}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for chunk in index.contents():
        digest.update(repr(chunk).encode())
    return digest.hexdigest()[:16]


def version(index: Index, base: str) -> str:
    """The fingerprint of the set as it is now: `base`, and where something is corrected, what."""
    corrected = index.corrected()
    return f"{base}-{hashlib.sha256(repr(corrected).encode()).hexdigest()[:8]}" if corrected else base
