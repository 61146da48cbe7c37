"""Execution: where and when a run is trained. In this process, the device queue, the background worker."""
