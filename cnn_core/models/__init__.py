"""Networks: one file a kin of families, each a plain `torch.nn.Module`; the registry that builds them by name; what they cost; saved ones."""
