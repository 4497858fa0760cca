"""The offline side: from a folder of good samples to a memory bank, and from a bank to figures."""
