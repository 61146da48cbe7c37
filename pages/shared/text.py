"""Text on a page: names from outside (files, folders, classes, runs) shown literally, never as links or images."""

import re

# Characters that have a meaning in Markdown; an underscore or a colon within a word has none, except in ":red".
MARKS = re.compile(r"[\\\[\]<`$&*~]|(?<![^\W_])_|_(?![^\W_])|:(?=[A-Za-z])")
# Streamlit finds addresses and icons after it has resolved escapes, so only an invisible character prevents them.
AUTOLINKS = re.compile(r"(?<=:)(?=//|material/)|(?<=www)(?=\.)", re.IGNORECASE)
WORD_JOINER = "\u2060"
# Addresses of weights, which messages name to be copied: shown as code, since the invisible character would be copied too.
WEIGHTS_ADDRESS = re.compile(r"(https://(?:download\.pytorch\.org|huggingface\.co)/[^\s`]*[\w/])")
SELECT_BY_KEYBOARD = "With the keyboard: go to a row with the arrow keys, then press Shift+Space."
INTERNAL_ERROR = (
    "This page failed because of an error in CNN Studio. Your runs are safe. Reload the page; the terminal shows the details."
)


def plain(text: object) -> str:
    """Return Markdown that shows `text` literally, so that an image's address in the name of a run is not fetched."""
    parts = WEIGHTS_ADDRESS.split(str(text))  # every second part is an address
    return "".join(f"`{part}`" if place % 2 else _escape(part) for place, part in enumerate(parts))


def _escape(text: str) -> str:
    return AUTOLINKS.sub(WORD_JOINER, MARKS.sub(r"\\\g<0>", text))
