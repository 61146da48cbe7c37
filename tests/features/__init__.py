"""Mirrors cnn_core/features."""
