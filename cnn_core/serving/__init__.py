"""Predictions over HTTP: an image comes in, ranked classes go out as JSON. Nothing is trained here, and no image is stored."""
