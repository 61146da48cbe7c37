"""Numbers in sentences: counts with their noun, fractions as percentages, bytes as MB and GB.

In: numbers. Out: text for messages, tables and charts. Importing this module imports nothing else.
"""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: "1 image", "1,200 images", "2 classes" (with `plural`)."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
