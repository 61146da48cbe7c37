"""Export and import of trained models: files for other programs, which are verified before they are offered, and training scripts."""
