"""Training a detector: recipe, data, loop and checkpoints. `loop.train` is the way in."""
