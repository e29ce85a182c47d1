"""What tests of feature pipelines need: a store with a settable clock, small frames, and the rules of point-in-time
queries in plain Python."""
