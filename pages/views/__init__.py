"""The parts of each page, one folder for a page."""
