"""Analyses of the layers of backbones: learned weights, depth, probes and costs."""
