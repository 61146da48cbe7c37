"""Inference with a trained model: preprocessing, one image, many images, logits over batches, calibration, test-time augmentation."""
