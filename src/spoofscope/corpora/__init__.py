"""Corpora: from a folder and its protocol to a manifest. Found by name in `registry`."""
