"""Links between pages. Streamlit takes the file of a page; a relative path would begin at the frame's folder."""

from pathlib import Path
from urllib.parse import urlencode

PAGES = Path(__file__).parent.parent
GLOSSARY = "Glossary"  # a view of the Learn page


def page_file(name: str) -> Path:
    """Return the file of the page called `name` ("train")."""
    return PAGES / f"{name}.py"


def glossary_query(term: str) -> dict[str, str]:
    """Return the query of the Learn page's address that opens the glossary at `term`."""
    return {"view": GLOSSARY, "term": term}


def glossary_topic(topic: str) -> dict[str, str]:
    """Return the query that opens the glossary at a topic; topics are named like the groups of the form."""
    return {"view": GLOSSARY, "topic": topic}


def term_link(term: str, label: str = "In the glossary") -> str:
    """Return a Markdown link to a term. It is relative to the page that shows it, so it also works below a base path."""
    return f"[{label}](learn?{urlencode(glossary_query(term))})"
