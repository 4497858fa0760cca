"""Candidate banks: made from false alarms or from samples, tried on recorded frames, told in the database."""
