"""Mirrors cnn_core/report."""
