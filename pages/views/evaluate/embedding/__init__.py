"""The Embedding view: a map of the images."""
