"""Runs: the run store where training and pages meet, and what is computed from a run's events.

store, database, run     the store: runs in SQLite                       event_log, event_reader   events as stored, and without those repeated after a resume
requests, queue, quota   stop, pause, change; who trains next; limits    history, curve            events as columns of bounded length for charts
lock                     which process trains a run                      history_cache             histories saved beside the events
organizer, submit        names, tags, bin; starting a run                diagnostics               rules over a history (signals)
branch, branch_tree      new runs from a saved epoch                     comparison                differing settings, repeated seeds
test_accuracy            the test accuracy, recorded when it is shown    history_export, tensorboard   files for other programs
"""
