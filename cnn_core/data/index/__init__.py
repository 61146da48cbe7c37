"""The index of an imported data set: one SQLite file beside the images.

schema        the tables, and the values that are read from them
index         facts, images, splits and counts
imports       what an import writes: files, decoding results, lookup indexes
corrections   excluded and relabelled images, with undo
duplicates    pairs of duplicate images
fingerprint   which version of the data set this is
"""
