"""The views of the Train page: controls, diagnostics, tracked images."""
