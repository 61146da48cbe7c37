"""CNN Studio's engine: images on disk -> batches on the device -> training -> the run store.

It knows nothing of the dashboard (no Streamlit, no pages). Importing this package, its settings, its catalogue or its
run store does not import torch, so that a page is shown before torch is loaded; modules that compute import it.
"""

__version__ = "0.1.0"
