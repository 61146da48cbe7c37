"""The dashboard's own browser components: a Python wrapper each, with its HTML, CSS and JavaScript beside it."""
