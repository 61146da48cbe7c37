"""Hyperparameter search: trials of varied settings are trained as ordinary runs; the best has the highest validation accuracy.

space           which settings are varied over which values               plan            a search as it was requested
search_store    the searches of a home: create, cancel, resume, read      storage         Optuna's tables, and all that is not public in Optuna
sampling        draws the settings of the next trial; the pruner          trials          trials as plain values, the best, importance
trial_monitor   reports and ends one trial while it trains                runner          runs the trials of one search
search_worker   runs all searches while a server is up

`space` and `plan` import neither torch nor Optuna.
"""
