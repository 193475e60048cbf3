"""measure_artefacts."""
