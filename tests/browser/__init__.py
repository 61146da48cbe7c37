"""Tests in a real Chromium, against a dashboard server of their own."""
