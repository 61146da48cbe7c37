"""The views of the Runs page: table, comparison, export, branches."""
