"""Limits for each person on a shared server, read from its environment.

    CNN_STUDIO_QUEUE_SHARE   waiting runs of one person, like 20, or none
    CNN_STUDIO_DISK_QUOTA    disk space of one person's runs and images, like 2 GB or 500 MB, or none
    CNN_STUDIO_TEACHERS      e-mail addresses, separated by commas: they may change the runs of all people
    CNN_STUDIO_PEOPLE        who may use the server: addresses, or domains like @school.example (default: all who can sign in)

The defaults are 20 runs and 2 GB where people sign in, and no limit elsewhere.
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
    """queue_limit: waiting runs, disk_quota: bytes, for each person; None for no limit. teachers, people: addresses and domains in lower case;
    an empty `people` allows all."""

    queue_limit: int | None = None
    disk_quota: int | None = None
    teachers: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()

    def is_teacher(self, person: str) -> bool:
        """Whether `person` may change the runs of all people."""
        return person in self.teachers

    def is_allowed(self, person: str) -> bool:
        """Whether `person`, who has signed in, may use this server."""
        domain = f"@{person.rpartition('@')[2]}" if "@" in person else ""
        return not self.people or person in self.people or domain in self.people or self.is_teacher(person)


UNLIMITED = Limits()


def read_limits(environment: Mapping[str, str], *, is_shared: bool) -> Limits:
    """Return the limits in the environment of a server; `is_shared`: whether people sign in. Raises StudioError."""
    return Limits(
        _queue_limit(environment.get(QUEUE_LIMIT, "").strip(), DEFAULT_QUEUE_LIMIT if is_shared else None),
        _quota(environment.get(DISK_QUOTA, "").strip(), DEFAULT_DISK_QUOTA if is_shared else None),
        _names(environment.get(TEACHERS, "")),
        _names(environment.get(ALLOWED_PEOPLE, "")),
    )


def _queue_limit(text: str, default: int | None) -> int | None:
    if not text:
        return default
    if text.lower() == NONE:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise StudioError(f"{QUEUE_LIMIT} is “{text}”. Set it to a whole number of runs, 1 or more, or “{NONE}” for no limit.")
    return int(text)


def _quota(text: str, default: int | None) -> int | None:
    if not text:
        return default
    if text.lower() == NONE:
        return None
    match = SIZE.fullmatch(text)
    if not match or not float(match[1]):
        raise StudioError(f"{DISK_QUOTA} is “{text}”. Set it to a size like “2 GB” or “500 MB”, or “{NONE}” for no limit.")
    return round(float(match[1]) * BYTES[match[2].upper()])


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",")) - {""}
