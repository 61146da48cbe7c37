"""Tests of cnn_core/execution."""
