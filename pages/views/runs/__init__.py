"""Parts of the Runs page: table, comparison, export, branches."""
