"""What one person may take of a server that many share: settings of the server, from its environment.

    CNN_STUDIO_QUEUE_SHARE   runs of one person that may wait at a time, like 20, or none
    CNN_STUDIO_DISK_QUOTA    disk space of one person's runs and images, like 2 GB or 500 MB, or none
    CNN_STUDIO_TEACHERS      e-mail addresses, with commas between: they may do everything with everybody's runs
    CNN_STUDIO_PEOPLE        who may come in: addresses, or domains like @school.example; left out: whoever the provider signs in

What is left out is 20 runs and 2 GB where people sign in, and no limit where nobody does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cnn_core.errors import StudioError

QUEUE_LIMIT, DISK_QUOTA = "CNN_STUDIO_QUEUE_SHARE", "CNN_STUDIO_DISK_QUOTA"
TEACHERS, ALLOWED_PEOPLE = "CNN_STUDIO_TEACHERS", "CNN_STUDIO_PEOPLE"
DEFAULT_QUEUE_LIMIT, DEFAULT_DISK_QUOTA = 20, 2 * 10**9
NONE = "none"
BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(MB|GB|TB)", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """`queue_share`: runs that may wait, `disk_quota`: bytes, each of one person, None for no limit. `teachers`, `people`: addresses and
    domains in small letters; no `people` are all."""

    queue_share: int | None = None
    disk_quota: int | None = None
    teachers: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()

    def is_teacher(self, person: str) -> bool:
        return person in self.teachers

    def may_come_in(self, person: str) -> bool:
        """Whether somebody who has signed in may use this server."""
        domain = f"@{person.rpartition('@')[2]}" if "@" in person else ""
        return not self.people or person in self.people or domain in self.people or self.is_teacher(person)


UNLIMITED = Limits()


def read_limits(environment: Mapping[str, str], *, is_shared: bool) -> Limits:
    """The limits that a server's environment asks for; `is_shared`: whether people sign in there. Raises StudioError."""
    return Limits(
        _share(environment.get(QUEUE_LIMIT, "").strip(), DEFAULT_QUEUE_LIMIT if is_shared else None),
        _quota(environment.get(DISK_QUOTA, "").strip(), DEFAULT_DISK_QUOTA if is_shared else None),
        _names(environment.get(TEACHERS, "")),
        _names(environment.get(ALLOWED_PEOPLE, "")),
    )


def format_bytes(count: float) -> str:
    """Bytes as a person says them: 410 MB, 1.2 GB."""
    return f"{count / 10**9:.1f} GB" if count >= 0.995 * 10**9 else f"{count / 10**6:.0f} MB"


def _share(text: str, usual: int | None) -> int | None:
    if not text:
        return usual
    if text.lower() == NONE:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise StudioError(f"{QUEUE_LIMIT} is “{text}”. Give a whole number of runs, 1 or more, or “{NONE}” for no limit.")
    return int(text)


def _quota(text: str, usual: int | None) -> int | None:
    if not text:
        return usual
    if text.lower() == NONE:
        return None
    found = SIZE.fullmatch(text)
    if not found or not float(found[1]):
        raise StudioError(f"{DISK_QUOTA} is “{text}”. Give a size like “2 GB” or “500 MB”, or “{NONE}” for no limit.")
    return round(float(found[1]) * BYTES[found[2].upper()])


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",")) - {""}
