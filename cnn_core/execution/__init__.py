"""Execution: who trains a run, where and when. One run in this process, the device queue, the background worker."""
