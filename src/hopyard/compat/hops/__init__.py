"""What a program imports as `hops`: the flat functions of the years before 2020's objects."""
