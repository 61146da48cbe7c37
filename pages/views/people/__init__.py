"""Views of the People page."""
