"""Other programs, each in a virtual environment of its own, whose modules import nothing of Hopyard."""
