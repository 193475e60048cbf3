"""Source tracing: which attack made a spoof, and whether it is one that was never seen."""
