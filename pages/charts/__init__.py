"""Charts: pure functions from numbers to Plotly figures, and the live components with their JavaScript."""
