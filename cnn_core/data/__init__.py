"""Images from outside -> one memory-mapped uint8 file and an index -> batches on the device.

open, names      a name or path -> its source
source           what a source is: facts first, images when needed; an image set as rows of a pool
catalog          the data sets known by name                (imports nothing heavy)
catalog_source, path_source, imported     the sources: of the catalogue, of a path, of an imported data set
download         archives, resumable, with checksums
digits, torchvision_sets                  arrays of the catalogue's data sets
listing, archive what an untrusted folder or zip contains
layout           classes and splits from the paths of the images
zip_names, system_files                   how a zip names its members, which files systems leave behind
decoder          the one guarded image decoder
image_formats, image_files                which files are images, by their first bytes
decoding_cost, jpeg_structure, metadata_cost  files that would take too long to decode
image_conversion, image_repair            any mode and profile -> upright 8-bit sRGB; files with harmless faults
parallel_decoding, importer               files -> pixels in worker processes -> an imported data set
index            what every image is, corrections, duplicates, the fingerprint
duplicates       identical and nearly identical images
library, set_bin the imported data sets and their quality; removed ones
jobs, uploads, collection, owners         imports in the background, uploaded and collected files, who may change them
splits, split_changes, validation_use     seeded, stratified splits; another split; validation images without test images
statistics       mean and standard deviation, mean images
augmentation, mixing                      batch -> batch, drawn per image
batches, streaming                        batches on the device, or read ahead from the file
"""
