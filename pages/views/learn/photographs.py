"""CIFAR-10 for the exercises, where it is on this machine: taken from the catalogue, imported by name, or trained on as a folder."""

from cnn_core.data.library import imported_sets, is_path_set, set_title
from cnn_core.home import Home

WORD = "cifar"


def photograph_sets(home: Home) -> dict[str, str]:
    """Titles of the imported sets that CIFAR stands in the name of, by what settings call them."""
    titles = {name: set_title(name, home) for name in imported_sets(home)}
    return {
        title if is_path_set(name) else name: title.rstrip("/").rpartition("/")[2] if is_path_set(name) else title
        for name, title in titles.items()
        if WORD in (title.rstrip("/").rpartition("/")[2] if is_path_set(name) else name).lower()
    }
