"""The report: a run and the evaluation of its model as one HTML file."""
