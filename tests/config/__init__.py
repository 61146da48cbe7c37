"""Mirrors cnn_core/config."""
