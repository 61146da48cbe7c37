"""Where the pages are, for navigation and links between them (Streamlit wants a file; a relative one would start at the frame)."""

from pathlib import Path
from urllib.parse import urlencode

PAGES = Path(__file__).parent.parent
GLOSSARY = "Glossary"  # the view of the page "learn"


def page_file(name: str) -> Path:
    """The file of the page called `name` ("train")."""
    return PAGES / f"{name}.py"


def glossary_query(term: str) -> dict[str, str]:
    """What the address of the page "learn" says where the glossary is open at `term`."""
    return {"view": GLOSSARY, "term": term}


def glossary_topic(topic: str) -> dict[str, str]:
    """The same where it is open at a topic, as the groups of the form are."""
    return {"view": GLOSSARY, "topic": topic}


def term_link(term: str, label: str = "In the glossary") -> str:
    """A link called `label` to a term as Markdown. It is relative to the page that shows it, so that it holds below any base path."""
    return f"[{label}](learn?{urlencode(glossary_query(term))})"
