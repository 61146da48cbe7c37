"""Classes and splits of a data set, read from the paths of its images.

In: paths with slashes. Out: a Layout: the split and class of each image, or why it is skipped.

Folders around everything are ignored, also one called `val` or `test`: without training images beside them, its images are no split. Below them, a folder is a class, or a split with class folders:
- `train` (or `training`) with class folders is the training split, and `val`, `valid`, `validation`, `test` and `testing` beside it are splits.
- Another name with a keyword of a split in it (`seg_train`, `Test Images`, `dev`) is a split if the folder has class folders and every other
  folder with class folders is a split too, so that classes called `bullet train` and `bus` stay classes. Beside `train` it is one if no
  folder has the usual name of that split.
A folder within a split that holds all of it (`training_set/training_set/cats`, `train/images/cats`) is ignored.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cnn_core.data.source import Split

SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test",
}  # fmt: skip
KEYWORDS: dict[str, Split] = SPLIT_FOLDERS | {"dev": "val", "eval": "test", "evaluation": "test"}
WORD = re.compile(rf"({'|'.join(KEYWORDS)})(?:sets?|data|imgs|images|split)?")  # "trainset" is "train"
WORD_BORDER = re.compile(r"[\W_\d]+|(?<=[a-z])(?=[A-Z])")
NO_SPLIT = "it is not in one of the folders train, val and test"
NO_CLASS = "it is beside the class folders, not in one"
SAME_SUBFOLDERS = (
    "The classes {classes} have the same sub-folders ({folders}). If these sub-folders are the classes, rename the folders above them to "
    "train, val and test, and import again."
)
BESIDE_TRAIN = (
    "“{train}” is used as the training split, so the images in {others} beside it are skipped. If all of them are classes, rename “{train}” "
    "and import again."
)
MAX_DEPTH = 50  # folders of a path that are looked at
MAX_NAMED = 5  # folders named in one warning
Folders = list[str]  # the folders above one image, the outermost first


class Place(NamedTuple):
    """Split (None: to be drawn) and class of an image."""

    split: Split | None
    name: str


@dataclass(frozen=True)
class Layout:
    """`places`: one for each path, or the reason why it is skipped. `warnings`: sentences on folders that may be meant otherwise.

    `unlabelled`: the folders, where all are named like splits but training has no class folders; their images have no classes.
    """

    places: list[Place | str]
    warnings: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()


def normalise_name(name: str) -> str:
    """Return one form (NFC) of a name: file systems store "é" as one character or as two."""
    return unicodedata.normalize("NFC", name)


def name_folders(names: Sequence[str]) -> str:
    """Return the first MAX_NAMED names as text."""
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(f"“{name}”" for name in names[:MAX_NAMED]) + rest


def find_split(name: str) -> Split | None:
    """Return the split of which a keyword is in a folder's name, between separators, digits or changes of case; None without one or with several."""
    words = (WORD.fullmatch(word.lower()) for word in WORD_BORDER.split(name))
    splits = {KEYWORDS[word[1]] for word in words if word}
    return splits.pop() if len(splits) == 1 else None


def find_layout(paths: Sequence[str]) -> Layout:
    """Find split and class of the image at each path."""
    folders = [normalise_name(path).split("/", MAX_DEPTH)[:-1] for path in paths]
    above = _count_outer(folders)
    folders = [below[above:] for below in folders]
    tops: dict[str, list[Folders]] = {}
    for below in folders:
        if below:
            tops.setdefault(below[0], []).append(below[1:])
    splits = _find_splits(tops)
    if splits:
        inner = _find_inner({top: tops[top] for top in splits})
        return Layout([_place_in_split(below, splits, inner) for below in folders], tuple(_warn_beside(tops, splits)))
    if tops and _are_unlabelled(tops):
        return Layout([NO_CLASS] * len(paths), unlabelled=tuple(sorted(tops)))
    return Layout([Place(None, below[0]) if below else NO_CLASS for below in folders], tuple(_warn_same(tops)))


def classes_only(paths: Sequence[str]) -> Layout:
    """Return the layout in which the first folder of every path is a class, also where it is called like a split."""
    folders = [normalise_name(path).split("/", MAX_DEPTH)[:-1] for path in paths]
    return Layout([Place(None, below[0]) if below else NO_CLASS for below in folders])


def _count_outer(folders: Sequence[Folders]) -> int:
    """Count the folders around everything: `flowers/` around `flowers/rose/1.jpg` and `flowers/tulip/1.jpg` is one, also beside a stray image."""
    above = 0
    while True:
        deeper = [below for below in folders if len(below) > above]
        firsts = {below[above] for below in deeper}
        is_class = all(len(below) == above + 1 for below in deeper)
        if len(firsts) != 1 or is_class or SPLIT_FOLDERS.get(next(iter(firsts)).casefold()) == "train":
            return above
        above += 1


def _find_splits(tops: dict[str, list[Folders]]) -> dict[str, Split]:
    """Return the folders that are splits, {} where none is."""
    exact = {top: SPLIT_FOLDERS[top.casefold()] for top in tops if top.casefold() in SPLIT_FOLDERS}
    keyed = {top: split for top in tops if top not in exact and (split := find_split(top))}
    with_classes = {top for top, below in tops.items() if _has_class_folders(top, below)}
    if any(exact.get(top) == "train" for top in with_classes):
        return exact | {top: split for top, split in keyed.items() if top in with_classes and split not in exact.values()}
    splits = {top: split for top, split in (exact | keyed).items() if top in with_classes}
    is_clear = len(set(splits.values())) > 1 or (len(splits) == 1 and set(tops) == exact.keys() | keyed.keys())
    return exact | splits if splits.keys() == with_classes and "train" in splits.values() and is_clear else {}


def _has_class_folders(top: str, below: list[Folders]) -> bool:
    """Whether a folder has folders with images. One of its own name that holds all of it, as in `seg_pred/seg_pred/1.jpg`, is not a class."""
    is_twice = {folders[0] for folders in below if folders} == {top}
    return any(len(folders) > is_twice for folders in below)


def _find_inner(splits: dict[str, list[Folders]]) -> set[tuple[str, str]]:
    """Return (split folder, folder in it) where that one folder holds the class folders of the split."""
    single: dict[str, str] = {}
    for top, below in splits.items():
        firsts = {folders[0] for folders in below if folders}
        if len(firsts) == 1 and any(len(folders) > 1 for folders in below):
            single[top] = firsts.pop()
    is_same_everywhere = single.keys() == splits.keys() and len(set(single.values())) == 1
    return {
        (top, inner)
        for top, inner in single.items()
        if is_same_everywhere or inner.casefold() == top.casefold() or find_split(inner) == find_split(top)
    }


def _place_in_split(below: Folders, splits: dict[str, Split], inner: set[tuple[str, str]]) -> Place | str:
    if not below or below[0] not in splits:
        return NO_SPLIT
    classes = below[2:] if tuple(below[:2]) in inner else below[1:]
    return Place(splits[below[0]], classes[0]) if classes else NO_CLASS


def _are_unlabelled(tops: dict[str, list[Folders]]) -> bool:
    """Whether all folders are named like splits, of which there is one or are several kinds: their images belong to splits, not to classes."""
    splits = {find_split(top) for top in tops}
    return None not in splits and "train" in splits and (len(tops) == 1 or len(splits) > 1)


def _warn_same(tops: dict[str, list[Folders]]) -> list[str]:
    """Warn where all classes have the same sub-folders: these may be the classes, and the folders above them splits."""
    inner = _find_inner(tops) if len(tops) > 1 else set()
    subfolders = set()
    for top, below in tops.items():
        rest = [folders[1:] if folders and (top, folders[0]) in inner else folders for folders in below]
        subfolders.add(frozenset(folders[0] for folders in rest if folders))
    names = sorted(next(iter(subfolders))) if len(subfolders) == 1 else []
    if len(tops) < 2 or len(names) < 2:
        return []
    return [SAME_SUBFOLDERS.format(classes=name_folders(sorted(tops)), folders=name_folders(names))]


def _warn_beside(tops: dict[str, list[Folders]], splits: dict[str, Split]) -> list[str]:
    """Warn where other folders are beside a training split alone: it may be a class called train."""
    others = sorted(tops.keys() - splits.keys())
    if not others or set(splits.values()) != {"train"}:
        return []
    return [BESIDE_TRAIN.format(train=min(splits), others=name_folders(others))]
