"""Runs: the store where everyone meets, the execution of one run, the background worker, and histories made for charts.

store    runs, events and requests in SQLite     (imports nothing heavy)
lock     who holds a run, known even after a crash
history  events -> columns of bounded length
doctor   rules over a history's numbers; symptoms is how they measure, remedies what they prescribe
execute  one run from start to end, events into the store, requests out of it
worker   the one module that owns concurrency
"""
