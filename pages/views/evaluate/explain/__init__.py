"""The Explain view: Grad-CAM, feature maps, dead channels and channel ablation."""
