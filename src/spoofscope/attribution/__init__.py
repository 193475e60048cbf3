"""Why a detector gives the score that it gives: attributions, and how far they can be trusted."""
