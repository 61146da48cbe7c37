"""Training: from settings to a trained, saved, evaluated network, as a generator of events.

schedule    step -> learning rate, as small values
optimizer   the optimizers by name
loop        `train`: the generator (no threads, files, databases or pages)
recipe      `train_run`: settings -> the whole story
"""
