"""Tests of cnn_core/data."""
