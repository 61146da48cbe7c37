"""Execution: who trains a run, where and when. In this process, the device queue, the background worker."""
