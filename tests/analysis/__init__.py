"""Tests of cnn_core/analysis."""
