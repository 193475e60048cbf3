"""Properties that the clips of a generator share and bona fide speech lacks."""
