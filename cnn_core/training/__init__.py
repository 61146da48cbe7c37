"""Training: from settings to a trained, saved, evaluated model, as a generator of events.

schedule    learning rate and image size by step, as small values
optimizer   the optimizers by name
loop        Trainer: the generator (no threads, files, databases or pages)
session     Trainer with the run's folder: checkpoints, changes and pauses while it trains
recipe      train_run: a run from its settings to its test accuracy
"""
