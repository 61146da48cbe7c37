"""Tests of cnn_core/inference."""
