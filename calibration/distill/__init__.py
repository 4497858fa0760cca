"""How the built-in backbone is trained: distilling the patch features of stronger CNNs into a small one.

    pictures, textures -> augment -> crops -> teachers -> targets -> training of the student -> export

`python -m calibration.distill --help` runs all of it. The model card beside the weights says what was used and found.
"""
