"""Tests of cnn_core/serving."""
