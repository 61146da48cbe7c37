"""The tests, mirroring the code: tests/data for cnn_core/data, and so on."""
