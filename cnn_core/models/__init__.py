"""Networks: one file a family, each a plain `torch.nn.Module`; the registry that builds them by name; and saved ones on disk."""
