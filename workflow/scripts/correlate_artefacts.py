"""correlate_artefacts."""
