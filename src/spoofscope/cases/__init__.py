"""Reports of single cases: one recording, one question, and what a detector can answer."""
