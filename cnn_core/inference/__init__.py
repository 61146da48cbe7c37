"""Using a trained network: logits over batches, the picture made ready for it, and a class for one image."""
