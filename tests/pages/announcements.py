"""What a page has screen readers say."""

import json

from streamlit.testing.v1 import AppTest


def announcements(at: AppTest) -> list[str]:
    """Return the texts of the page's live regions."""
    contents = [json.loads(part.proto.json) for part in at.get("bidi_component") if part.proto.json]
    return [content["text"] for content in contents if set(content) == {"text"}]
