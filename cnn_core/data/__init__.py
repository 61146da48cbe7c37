"""Images on disk -> uint8 arrays -> batches on the device.

catalog     names -> sources, with each set's own defaults      (imports nothing heavy)
source      what a source is: facts first, images when asked
digits, cifar10, folder                                         the sources
image_file  the one guarded image decoder
split       seeded, stratified splits
augment     batch -> batch, drawn per image
batches     device-resident batches
"""
