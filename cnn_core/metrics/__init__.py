"""Metrics of a trained model: accuracy, confusion matrix, calibration, robustness, training dynamics, comparison of two models."""
