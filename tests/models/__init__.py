"""Tests of cnn_core/models."""
