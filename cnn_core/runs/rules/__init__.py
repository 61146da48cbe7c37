"""The rules of the diagnostics: each function reports one problem of a run with its numbers, what it means, and a change of settings."""
