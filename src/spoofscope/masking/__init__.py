"""Causal masking: parts of recordings are taken out, and scores are computed again."""
