"""Mirrors cnn_core/cli."""
