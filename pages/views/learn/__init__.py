"""The Learn page, one file or two a view."""
