"""What is done with banks that exist: run at stations, exchanged, compared, tried on recorded frames, promoted."""
