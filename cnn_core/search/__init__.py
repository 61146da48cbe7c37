"""Search: a person names settings to vary, and trials of them are trained as ordinary runs to find the best.

space    which settings are varied over which values                     (imports nothing heavy)
plan     a search as it was asked for                                    (imports nothing heavy)
studies  the home's searches: asked for, cancelled, gone on with, read   (Optuna, when trials are read)
draw     what is tried next, and what is not worth going on with         (Optuna)
drive    one search worked off, trial after trial
attend   the home's searches worked off while a server runs
"""
