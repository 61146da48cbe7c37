"""Features: what a network's frozen layers make of each image, computed once and kept with the data set.

A network that starts from pretrained weights and of which only the head learns maps each image to the same numbers in every epoch and in every run.
These numbers are computed once and kept in the folder of the data set, so that another training, an evaluation or a map of the images reads them.
"""
