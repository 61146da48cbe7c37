"""Exercises that train pairs of runs and measure the effect of a change, and the glossary. Importing it does not import torch."""
