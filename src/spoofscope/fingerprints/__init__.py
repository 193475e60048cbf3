"""What the clips of a generator have in common, and bona fide speech has not."""
