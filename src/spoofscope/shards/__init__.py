"""Work on many utterances: cut into parts, and kept from a kill."""
