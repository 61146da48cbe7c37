"""The data sets of a studio home: their names and their quality."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnn_core.data.catalog import CATALOG
from cnn_core.data.imported import EARLIER_SQUARES, ImportedSource
from cnn_core.data.index.schema import USED
from cnn_core.home import Home
from cnn_core.text import counted

PATH_PREFIX = "path-"
SMALL_CLASS = 10  # images; a model hardly learns a smaller class
IMBALANCE = 10  # times as many images in the largest class as in the smallest
MAX_NAMED = 5  # classes or images named in one warning
IN_TWO_SPLITS = "in two splits (training, validation, test), so the test accuracy is too high. Exclude one image of each pair."
IN_TWO_CLASSES = "in two classes. One image of each pair has the wrong class: relabel or exclude it."
BLANK_IMAGES = "of one single colour in the data set"
GREY_CLASSES = (
    "Far more images are grey in some classes than in the others: {names}. The model can learn the missing colour instead of the class. Add images in "
    "colour there, or grey ones elsewhere."
)
MANY_GREY, MORE_GREY = 0.1, 2  # fraction of a class's images; times the fraction of the other classes' images
CHECKED_ROWS = 256  # images that are compared at a time
TOO_FEW_IMAGES = f"Fewer than {SMALL_CLASS} training images"
NO_TEST_IMAGES = "No test images"


@dataclass(frozen=True)
class DataQuality:
    """The quality of a data set: warnings and counts.

    `warnings`: sentences. `skipped`: number of skipped files. `pairs`: counts of duplicates (see `DuplicatePairs.counts`). `sizes`: smallest and
    largest width, smallest and largest height of the files, pixels. Other counts are of used images.
    """

    warnings: tuple[str, ...]
    skipped: int
    pairs: dict[str, int]
    sizes: tuple[int, int, int, int]
    grey: int
    excluded: int
    relabelled: int


def imported_sets(home: Home) -> list[str]:
    """Return the names of the imported data sets, those of the catalogue included, in alphabetical order."""
    folder = home.data / "sets"
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []


def is_path_set(name: str) -> bool:
    """Whether a data set was imported from a path that a run used, without a name of its own."""
    return name.startswith(PATH_PREFIX)


def set_title(name: str, home: Home) -> str:
    """Return the title of a data set for display."""
    if name in CATALOG:
        return CATALOG[name].title
    facts = ImportedSource(home.set_folder(name)).facts
    return str(facts["source"]) if is_path_set(name) else name


def imported_values(home: Home) -> dict[str, str]:
    """Return the titles of the imported data sets by the value of the setting `data`; of a folder that a run used, its name by its path."""
    titles = {}
    for name in imported_sets(home):
        title = set_title(name, home)
        if is_path_set(name):  # the title is the path of the folder
            titles[title] = title.rstrip("/").rpartition("/")[2]
        else:
            titles[name] = title
    return titles


def check_quality(source: ImportedSource) -> DataQuality:
    """Check a data set for what weakens training or evaluation, from its index; blank images are found once and cached there."""
    index = source.index
    pairs = index.cached(source.version, "pairs", index.duplicates.counts)
    summary = index.cached(source.version, "overview", index.summary)
    return DataQuality(
        warnings=(*_warnings(source, pairs, summary), *blank_images_warning(source)),
        skipped=index.count_skipped_files(),
        pairs=pairs,
        sizes=tuple(summary["sizes"]),
        grey=summary["grey"],
        excluded=summary["excluded"],
        relabelled=summary["relabelled"],
    )


def _warnings(source: ImportedSource, pairs: dict[str, int], summary: dict[str, Any]) -> list[str]:
    info, train, test = source.info, source.counts["train"], source.counts["test"]
    small = [name for name, count in zip(info.classes, train, strict=True) if count < SMALL_CLASS]
    untested = [name for name, count in zip(info.classes, test, strict=True) if not count]
    is_decided = bool(source.facts["options"].get("validation_as"))
    warnings = [] if is_decided else list(filter(None, [source.describe_validation()]))
    warnings += [EARLIER_SQUARES.format(stored=source.info.image_size)] if source.are_earlier_squares else []
    warnings += source.facts.get("warnings", ())  # of the listing; earlier versions stored none
    if pairs["across"]:
        warnings.append(f"{_count_pairs(pairs['across'])} {IN_TWO_SPLITS}")
    if pairs["labels"]:
        warnings.append(f"{_count_pairs(pairs['labels'])} {IN_TWO_CLASSES}")
    if small:
        warnings.append(f"{TOO_FEW_IMAGES}: {_name(small)}. Add more images to {_these(small)}.")
    if untested:
        warnings.append(f"{NO_TEST_IMAGES}: {_name(untested)}. The accuracy of {_these(untested)} cannot be measured.")
    if min(train) and max(train) > IMBALANCE * min(train):
        warnings.append(
            f"The classes are imbalanced: the largest has {max(train):,} training images, the smallest {min(train):,}. Check the recall of each class, not only "
            "the accuracy."
        )
    if info.channels == 3 and 0 < summary["grey"] < summary["used"]:
        grey = source.index.cached(source.version, "grey classes", lambda: _find_grey_classes(source))
        warnings += [GREY_CLASSES.format(names=_name(grey))] if grey else []
    return warnings


def _find_grey_classes(source: ImportedSource) -> list[str]:
    """Return the classes of which a far larger fraction is grey than of the images of all other classes."""
    labels, is_grey = source.index.columns(USED, "label", "is_grey")
    counts, grey = np.bincount(labels), np.bincount(labels, is_grey)
    others = (grey.sum() - grey) / np.maximum(counts.sum() - counts, 1)
    is_striking = (grey > 0) & (grey >= MANY_GREY * counts) & (grey >= MORE_GREY * others * counts)
    return [source.info.classes[label] for label in np.flatnonzero(is_striking)]


def _find_blank_images(source: ImportedSource) -> list[str]:
    """Return the paths of the images that have one single colour. Their difference hash is 0, so only such images are read."""
    (rows,) = source.index.columns(f"{USED} and look = 0", "row")
    pool, blank = source.pool, [np.empty(0, np.int64)]
    for start in range(0, len(rows), CHECKED_ROWS):
        chunk = rows[start : start + CHECKED_ROWS]
        pixels = pool[chunk].reshape(len(chunk), -1, source.info.channels)
        blank.append(chunk[(pixels == pixels[:, :1]).all((1, 2))])
    return source.index.paths(np.concatenate(blank))


def blank_images_warning(source: ImportedSource) -> list[str]:
    """Return a warning that names the used images of one single colour, or nothing. The result is cached in the index."""
    paths = source.index.cached(source.version, "blank", lambda: _find_blank_images(source))
    if not paths:
        return []
    count = counted(len(paths), "image is", "images are")
    return [f"{count} blank, {BLANK_IMAGES}: {_name(paths)}. Check the files, and exclude these images if they show nothing."]


def _name(names: list[str]) -> str:
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(f"“{name}”" for name in names[:MAX_NAMED]) + rest


def _these(names: list[str]) -> str:
    return "this class" if len(names) == 1 else "these classes"


def _count_pairs(count: int) -> str:
    return counted(count, "pair of duplicates is", "pairs of duplicates are")
