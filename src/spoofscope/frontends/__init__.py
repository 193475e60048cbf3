"""Front-ends: from a waveform to a sequence of features. Found by name in `registry`."""
