"""Training a detector: recipe, data, loop and checkpoints. `loop.train` is the way in."""

HISTORY = "history.tsv"
"""Rows of all epochs, in the network's folder; of those so far, in the work folder meanwhile."""

RUNNING = "training.json"
"""The settings of a training that runs, in its work folder."""
