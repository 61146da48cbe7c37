"""Explaining a trained network: Grad-CAM, feature maps, filter surgery, the embedding, and every step of a forward pass."""
