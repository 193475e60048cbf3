"""Back-ends: from a sequence of features to logits. Found by name in `registry`."""
