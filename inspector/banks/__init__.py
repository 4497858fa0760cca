"""What is done with banks that exist: exchanged, compared, tried on recorded frames, promoted."""
