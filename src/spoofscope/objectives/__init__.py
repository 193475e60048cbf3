"""What networks are trained for: telling bona fide speech from spoofs, or naming the attack."""
