"""Calibrations as a training would have fitted them."""

import math
from typing import Any


def calibration_of(
    scale: float = 1.0, offset: float = 0.0, prior: float = 0.5, n: int = 48, **more: Any
) -> dict[str, Any]:
    """A calibration from n development trials per class that the scores separate."""
    bounds = {"lower": -math.log(n), "upper": math.log(n), "n_bonafide": n, "n_spoof": n}
    return {"scale": scale, "offset": offset, "prior": prior, **bounds, **more}
