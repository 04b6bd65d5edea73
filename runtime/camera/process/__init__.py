"""The reader process and its owner: what hostile bytes do stays in it. `wire` is what crosses."""
