"""The Embedding view: images as points in two dimensions."""
