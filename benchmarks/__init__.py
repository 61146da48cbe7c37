"""What is measured, against what: one command each, a table each. Results are kept in README.md beside this file."""
