"""The way of a frame from its arrival to its verdict at the broker, and what the daemon does beside it."""
