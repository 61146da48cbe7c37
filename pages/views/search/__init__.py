"""Parts of the Search page: what is asked for, how it stands, what it has found."""
