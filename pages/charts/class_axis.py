"""An axis of class names: shortened in the middle where they are long; hover texts and tables have the whole name."""

import html
from collections.abc import Sequence

from cnn_core.class_labels import class_labels


def class_axis(names: Sequence[str]) -> dict[str, object]:
    """Return the settings of an axis whose categories are the `names`, escaped as `escape_names` does."""
    labels = [html.escape(label) for label in class_labels(names)]
    return {"type": "category", "automargin": True, "tickmode": "array", "tickvals": escape_names(names), "ticktext": labels}


def escape_names(names: Sequence[str]) -> list[str]:
    """Return the names as Plotly shows them literally: it reads a few HTML tags and entities in texts."""
    return [html.escape(name) for name in names]
