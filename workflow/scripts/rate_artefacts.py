"""rate_artefacts."""
