"""Tests of cnn_core/search."""
