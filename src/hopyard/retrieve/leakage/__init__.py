"""The search for features that know what they are to predict."""
