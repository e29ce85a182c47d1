"""Reading: queries, training data, batch data, feature vectors."""
