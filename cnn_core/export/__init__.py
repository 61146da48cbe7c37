"""A trained model taken along: its weights with a card, graphs that other programs run, and a bundle that checks itself."""
