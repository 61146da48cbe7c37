"""The views of the Evaluate page, one file each. A view takes an EvaluationSubject and shows what `cnn_core.metrics` computes for it."""
