"""Weights that others published, as detectors of ours: one module per family of formats."""
