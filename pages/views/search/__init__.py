"""The views of the Search page: the form of a new search, its status, its results."""
