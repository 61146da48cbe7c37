"""The views of the Evaluate page, one file each: they take a Subject, ask `cnn_core.metrics`, and draw."""
