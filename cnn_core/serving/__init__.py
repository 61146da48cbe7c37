"""A trained network over HTTP: pictures come in, ranked classes go out as JSON. Nothing here trains, and nothing is kept."""
