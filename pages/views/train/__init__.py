"""Parts of the Train page: controls, diagnostics, tracked images."""
