"""The command line: one module for each command; `cnn_core.__main__` dispatches to them."""
