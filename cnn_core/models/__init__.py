"""Models: one file per kind of network, each a plain `torch.nn.Module`; the registry that builds them by name; cost; saving; checkpoints."""
