"""The settings of a run: what they are, their defaults and checks, settings files and links."""
