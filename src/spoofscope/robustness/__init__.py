"""Robustness: recordings of both classes are laundered, and scores are computed again."""
