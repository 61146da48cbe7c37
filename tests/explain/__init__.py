"""Mirrors cnn_core/explain."""
