"""A connection to the broker that is kept."""
