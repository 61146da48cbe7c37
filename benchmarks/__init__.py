"""Benchmarks of the program: `python -m benchmarks.<name>` measures figures and prints them as a Markdown table."""
