"""A dataframe becomes checked Arrow, then a commit, then online rows."""
