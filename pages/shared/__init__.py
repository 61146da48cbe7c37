"""Modules that several pages use: the frame, the server's store and worker, the event stream, run selection, forms, the cache."""
