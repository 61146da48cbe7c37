"""The Explain view: Grad-CAM, layers and filter surgery for one image."""
