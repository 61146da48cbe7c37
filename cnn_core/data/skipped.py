"""What an import took and skipped, in two sentences: the same for every way to import images.

In: a data set or its index. Out: counts, original sizes, the first skipped files with their reasons. Importing this module does not import torch.
"""

from dataclasses import asdict
from typing import Any

from cnn_core.data.archive import SkippedFile
from cnn_core.data.imported import ImportedSource
from cnn_core.data.index.index import Index
from cnn_core.text import counted

MAX_NAMED = 5
IMPORTED_IMAGES = "{images} imported in {classes}. Original size: {sizes} pixels; {resized}."
RESIZED, NONE_RESIZED = "{images} resized to {side}×{side}", "none was resized"
REDUCED = "{images} reduced to {side} pixels on the long side"
SKIPPED_FILES = "{files} skipped: {named}. {where}"
SEE_COMMAND = "The command “data check {name}” lists all skipped files."
SEE_VIEW = "The view “Skipped files” of the data set lists all skipped files."


def describe_imported(source: ImportedSource) -> str:
    """Return a sentence with the number of imported images, their original sizes, and how many of them were resized."""
    index, kept = source.index, source.facts.get("kept_side")
    side = kept or source.facts["image_size"]
    count = index.count("problem is null")
    resized = index.count(
        f"problem is null and {'(width > ? or height > ?)' if kept else '(width != ? or height != ?)'}", (side, side)
    )
    width, widest, height, tallest = index.summary()["sizes"]
    smallest, largest = f"{width}×{height}", f"{widest}×{tallest}"
    return IMPORTED_IMAGES.format(
        images=counted(count, "image was", "images were"),
        classes=counted(len(source.facts["classes"]), "class", "classes"),
        sizes=smallest if smallest == largest else f"{smallest} to {largest}",
        resized=(REDUCED if kept else RESIZED).format(images=counted(resized, "image was", "images were"), side=side)
        if resized
        else NONE_RESIZED,
    )


def describe_skipped(index: Index, where: str) -> str:
    """Return a sentence with the number of skipped files and the first of them with their reasons; "" for none.

    where: a sentence that says where all of them are listed.
    """
    count = index.count_skipped_files()
    if not count:
        return ""
    named = ", ".join(f"{file.path} ({_shorten(file)})" for file in index.skipped_files(MAX_NAMED))
    more = f" and {count - MAX_NAMED:,} more" if count > MAX_NAMED else ""
    return SKIPPED_FILES.format(files=counted(count, "file was", "files were"), named=named + more, where=where)


def _shorten(file: SkippedFile) -> str:
    """Return the first sentence of the reason without its full stop: "it is empty"."""
    return file.explanation.partition(". ")[0].rstrip(".")


def skipped_facts(index: Index) -> dict[str, Any]:
    """Return the number of skipped files, and the first of them with their reasons, for JSON."""
    files = [asdict(file) for file in index.skipped_files(MAX_NAMED)]
    return {"skipped": index.count_skipped_files(), "skipped_files": files}
