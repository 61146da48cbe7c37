"""Tests of cnn_core/runs."""
