"""Textures and defects that are drawn: to try recipes on, to train heads with, and for the training of the backbone."""
