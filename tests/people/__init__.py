"""Tests of cnn_core/people."""
