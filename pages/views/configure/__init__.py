"""The views of the Configure page."""
