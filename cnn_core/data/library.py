"""The sets of a studio home: which there are, what each is like, and taking one away."""

import shutil
from dataclasses import dataclass
from typing import Any

from cnn_core.data.catalog import CATALOG
from cnn_core.data.imported import ImportedSource
from cnn_core.errors import DataError
from cnn_core.home import Home
from cnn_core.locks import try_lock

PATH_PREFIX = "path-"
SMALL_CLASS = 10  # images below which a class is hardly learned
IMBALANCE = 10  # times as many images in the largest class as in the smallest


@dataclass(frozen=True)
class DataQuality:
    """What a person should know before training. `warnings`: sentences; counts are of used images unless they say otherwise."""

    warnings: tuple[str, ...]
    problems: int
    pairs: dict[str, int]
    sizes: tuple[int, int, int, int]  # smallest and largest width, smallest and largest height of the files, pixels
    grey: int
    excluded: int
    relabelled: int


def imported_sets(home: Home) -> list[str]:
    """Names of the imported sets, those of the catalogue included, in the order of their names."""
    folder = home.data / "sets"
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []


def is_path_set(name: str) -> bool:
    """Whether a set was made of a path that somebody trained on, without giving it a name."""
    return name.startswith(PATH_PREFIX)


def title_of(name: str, home: Home) -> str:
    """How a set is called on a page."""
    if name in CATALOG:
        return CATALOG[name].title
    facts = ImportedSource(home.set_folder(name)).facts
    return facts["source"] if is_path_set(name) else name


def remove_set(name: str, home: Home) -> None:
    """Take an imported set away; the files that it was made of stay. Raises DataError when there is none."""
    folder = home.set_folder(name)
    if not folder.is_dir():
        raise DataError(f"There is no imported data set “{name}”.")
    home.staging_folder(name).parent.mkdir(parents=True, exist_ok=True)
    with try_lock(home.staging_folder(name).with_name(f".{name}.lock")) as is_mine:
        if not is_mine:
            raise DataError(f"“{name}” is in use right now. Try again in a moment.")
        scratch = home.staging_folder(name).with_name(f".removed-{name}")
        shutil.rmtree(scratch, ignore_errors=True)  # of a removal that was interrupted
        folder.rename(scratch)
        shutil.rmtree(scratch)


def check_quality(source: ImportedSource) -> DataQuality:
    """The truth about a set, from its index alone."""
    index = source.index
    pairs = index.remembered(source.version, "pairs", index.count_pairs)
    facts = index.remembered(source.version, "overview", index.overview)
    problems = index.count_problems()
    return DataQuality(
        warnings=tuple(_warnings(source, pairs, facts)),
        problems=problems,
        pairs=pairs,
        sizes=tuple(facts["sizes"]),
        grey=facts["grey"],
        excluded=facts["excluded"],
        relabelled=facts["relabelled"],
    )


def _warnings(source: ImportedSource, pairs: dict[str, int], facts: dict[str, Any]) -> list[str]:
    info, train, test = source.info, source.counts["train"], source.counts["test"]
    small = [name for name, count in zip(info.classes, train, strict=True) if count < SMALL_CLASS]
    said = []
    if pairs["across"]:
        said.append(
            f"{_pairs(pairs['across'])} in two parts (training, validation, test): the network is then tested on pictures that it has seen, and the result is flattered. Exclude one of each pair."
        )
    if pairs["labels"]:
        said.append(f"{_pairs(pairs['labels'])} in two classes. One of each pair is wrong.")
    if small:
        named = ", ".join(f"“{name}”" for name in small[:5]) + (f" and {len(small) - 5} more" if len(small) > 5 else "")
        said.append(f"Fewer than {SMALL_CLASS} training images: {named}. Hardly anything can be learned from so few; add more.")
    if untested := [name for name, count in zip(info.classes, test, strict=True) if not count]:
        named = ", ".join(f"“{name}”" for name in untested[:5]) + (f" and {len(untested) - 5} more" if len(untested) > 5 else "")
        said.append(f"No test image: {named}. Nothing will be known of how well they are recognised.")
    if min(train) and max(train) > IMBALANCE * min(train):
        said.append(
            f"The largest class has {max(train):,} training images, the smallest {min(train):,}: accuracy will say little about the small ones."
        )
    if info.channels == 3 and 0 < facts["grey"] < facts["used"]:
        said.append(
            f"{facts['grey']:,} of {facts['used']:,} images are grey among colour ones. If they belong to some classes only, the network will learn that instead."
        )
    return said


def _pairs(count: int) -> str:
    return "One pair of duplicates stands" if count == 1 else f"{count:,} pairs of duplicates stand"
