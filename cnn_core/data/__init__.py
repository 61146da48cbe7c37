"""Images from anywhere -> one memory-mapped uint8 file and an index -> batches on the device.

catalog          names -> sources, with each set's own defaults      (imports nothing heavy)
source           what a source is: facts first, images when asked; a set as rows of a pool
catalog_source, path_source, imported                           the sources: of the catalogue, of a path, of an imported set
download         archives, resumable and checked
digits, torchvision_sets                                        arrays of the catalogue's sets
listing, archive what a folder or zip holds, without trusting it
image_file       the one guarded image decoder
decode, importer files -> pixels in helper processes -> a set, in one piece
index, version   what every image is, what was corrected; the fingerprint of that
duplicates       the same picture twice
library          the sets of a home, and the truth about each
jobs, uploads    imports that pages ask for, and what people send
split            seeded, stratified splits
statistics       means and deviations
augment, mix     batch -> batch, drawn per image
batches, streaming   batches on the device, or read ahead from the file
"""
