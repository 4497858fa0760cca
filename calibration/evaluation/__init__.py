"""What a bank finds on labelled frames, and whether it keeps its promise."""
