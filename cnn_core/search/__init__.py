"""Search: a person names settings to vary, and trials of them are trained as ordinary runs to find the best.

space    which settings are varied over which values                     (imports nothing heavy)
plan     a search as it was asked for                                    (imports nothing heavy)
studies  the home's searches: asked for, cancelled, gone on with, read   (Optuna, when trials are read)
storage  Optuna's part of the file, and how it is loaded
trials   trials as plain values, the best of them, what made the difference
draw     what is tried next, and what is not worth going on with
course   one trial while it trains: reports, early end, result
drive    one search worked off, trial after trial, by any number of processes
attend   the home's searches worked off while a server runs
"""
