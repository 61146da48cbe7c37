"""The views of the Gallery page."""
