"""Explaining a trained model: Grad-CAM, feature maps, channel ablation, the embedding, and each step of a forward pass."""
