"""Mirrors cnn_core/execution."""
