"""HTML made of nested calls, in which text is text: whatever is not itself HTML is escaped. In: names, texts, numbers. Out: Html."""

import html
from collections.abc import Iterable, Sequence

CONTROLS = dict.fromkeys([*(number for number in range(32) if chr(number) not in "\t\n"), 127], " ")
VOID = {"img", "line", "polyline", "circle", "rect"}


class Html(str):
    """Text that already is HTML."""


def tag(name: str, *content: object, **attributes: object) -> Html:
    """An element. Attributes that are None are left out; `class_` stands for class, `stroke_width` for stroke-width."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_printable(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}/>" if name in VOID else f"<{name}{given}>{join(content)}</{name}>")


def join(content: Iterable[object]) -> Html:
    """Pieces one after the other."""
    return Html("".join(piece if isinstance(piece, Html) else html.escape(_printable(piece)) for piece in content))


def table(caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], *, words: int = 1) -> Html:
    """A table whose rows begin with what they are about. The first `words` columns hold words, the others numbers."""
    kinds = [None if place < words else "number" for place in range(len(head))]
    top = tag("tr", *(tag("th", title, scope="col", class_=kind) for title, kind in zip(head, kinds, strict=True)))
    body = (tag("tr", tag("th", first, scope="row"), *_cells(rest, kinds[1:])) for first, *rest in rows)
    return scrolling(caption, tag("table", tag("caption", caption), tag("thead", top), tag("tbody", *body)))


def _cells(values: Sequence[object], kinds: Sequence[str | None]) -> list[Html]:
    return [tag("td", value, class_=kind) for value, kind in zip(values, kinds, strict=True)]


def scrolling(label: str, content: Html) -> Html:
    """Content that may be wider than a telephone: it scrolls in a box of its own, which the keyboard reaches too."""
    return tag("div", content, class_="scroll", tabindex=0, role="region", aria_label=label)


def section(title: str, *content: object) -> Html:
    return tag("section", tag("h2", title), *content)


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and what they are, as a list."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), class_="facts")


def percent(share: float | None, digits: int = 1) -> str:
    """A share as "93.1 %", which no line parts; "–" where there is none."""
    return "–" if share is None or share != share else f"{100 * share:.{digits}f}\u00a0%"


def _printable(value: object) -> str:
    """Without bytes of a file's name that are no text, and without control characters, which no page may hold."""
    return str(value).encode("utf-8", "replace").decode().translate(CONTROLS)
