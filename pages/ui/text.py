"""Text from outside inside Markdown: names of files, folders, classes and runs shown as they are, never as links or pictures."""

import re


def plain(text: object) -> str:
    """`text` as Markdown without links, pictures, code or formulas. (A picture's address in a run's name would otherwise be fetched.)"""
    return re.sub(r"([\\\[\]<`$])", r"\\\1", str(text))
