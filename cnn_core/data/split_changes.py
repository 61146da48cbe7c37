"""The split of an imported data set: drawn at the import, drawn again later, or taken from the validation images.

In: an index. Out: other splits in it, which are another version of the data.
"""

from typing import Any

from cnn_core.data.imported import ImportedSource
from cnn_core.data.index.fingerprint import import_fingerprint
from cnn_core.data.index.index import Index
from cnn_core.data.source import SPLITS
from cnn_core.data.splits import stratified_split
from cnn_core.data.validation_use import AS_TEST, AS_VALIDATION, CHOICES, NOT_A_CHOICE, NOT_TO_CHOOSE, UNDECIDED
from cnn_core.errors import DataError

TRAIN, VAL, TEST = range(len(SPLITS))


def check_fraction(test_share: float) -> None:
    """Raise DataError where a fraction of test images is out of range."""
    if not 0.01 <= test_share <= 0.9:
        raise DataError(f"The fraction of test images must be 0.01 to 0.9. “{test_share}” was given.")


def split_set(index: Index, test_share: float, seed: int) -> None:
    """Draw a fraction of every class for testing, seeded; validation images of the source stay validation images."""
    rows, labels = index.columns(f"problem is null and part is not {VAL}", "row", "label")
    train, test = stratified_split(labels, test_share, seed)
    index.assign_splits({TRAIN: rows[train], TEST: rows[test]}, split={"test_share": test_share, "seed": seed})


def resplit(index: Index, test_share: float, seed: int) -> None:
    """Draw another split of a data set without test images of its own, which creates another version of the data. Raises DataError."""
    check_fraction(test_share)
    split_set(index, test_share, seed)
    index.set_facts(fingerprint=import_fingerprint(index))


def use_validation_images(source: ImportedSource, validation_as: str) -> None:
    """Use the validation images of a set without test images "test" or "validation", which creates another version of the data.

    The splits are the same as if this had been chosen at the import. Raises DataError where there is nothing to choose.
    """
    if validation_as not in CHOICES:
        raise DataError(NOT_A_CHOICE)
    index, facts = source.index, source.index.facts()
    now, options = validation_images_are(facts, index), facts["options"] | {"validation_as": validation_as}
    if not now:
        raise DataError(NOT_TO_CHOOSE.format(name=source.folder.name))
    index.set_facts(options=options)
    if now == validation_as:
        return
    (test,) = index.columns(f"part = {TEST}", "row")
    if validation_as == AS_TEST:
        (val,) = index.columns(f"part = {VAL}", "row")
        index.assign_splits({TRAIN: test, TEST: val}, split=None, has_parts=True)
    else:
        index.assign_splits({VAL: test}, has_parts=False)
        split_set(index, options["test_share"], options["seed"])
    index.set_facts(fingerprint=import_fingerprint(index))


def validation_images_are(facts: dict[str, Any], index: Index) -> str:
    """Return "test" or "validation", what the validation images of a source without test images are used for; "" for any other source."""
    if facts["has_parts"]:
        return AS_TEST if facts["options"].get("validation_as") == AS_TEST else UNDECIDED
    return AS_VALIDATION if index.count(f"problem is null and part = {VAL}") else UNDECIDED
