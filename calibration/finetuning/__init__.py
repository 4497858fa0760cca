"""A head that learns synthetic defects, and the trial that it has to pass."""
