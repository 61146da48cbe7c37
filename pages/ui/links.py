"""Where the pages are, for navigation and links between them (Streamlit wants a file; a relative one would start at the frame)."""

from pathlib import Path

PAGES = Path(__file__).parent.parent


def page_file(name: str) -> Path:
    """The file of the page called `name` ("train")."""
    return PAGES / f"{name}.py"
