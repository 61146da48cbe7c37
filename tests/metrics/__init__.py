"""Tests of cnn_core.metrics."""
