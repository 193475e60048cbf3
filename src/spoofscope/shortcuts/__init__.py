"""Counterfactual audit of shortcuts: cues change sides, and scores are computed again."""
