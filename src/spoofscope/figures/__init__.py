"""Figures: each module draws one figure from tables and writes PDF, PNG and the plotted numbers."""
