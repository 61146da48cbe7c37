"""Tests of cnn_core/training."""
