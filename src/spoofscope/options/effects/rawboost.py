"""RawBoost."""

from dataclasses import dataclass
from typing import Annotated

from spoofscope.options.declared import option, required
from spoofscope.options.effects.base import EffectOptions, Range, check_order

_Taps = Annotated[int, {"minimum": 3}]


@dataclass(frozen=True, kw_only=True)
class RawBoostOptions(EffectOptions):
    """Convolutive, impulsive and stationary noise without recordings; the defaults are those of
    Tak et al., ICASSP 2022.
    """

    algorithm: int = required(minimum=1, maximum=8)
    """1 LnL, 2 ISD, 3 SSI; 4: 1, 2, 3; 5: 1, 2; 6: 1, 3; 7: 2, 3; 8: 1 and 2 added."""
    orders: int = option(5, minimum=1)
    """Powers of the signal that are filtered and added [N_f]."""
    bands: int = option(5, minimum=1, maximum=65536)
    """Stop bands per filter."""
    centre: Range = option((20.0, 8000.0))
    """Range of the stop bands' centres, Hz."""
    width: Range = option((100.0, 1000.0))
    """Range of their widths, Hz."""
    taps: tuple[_Taps, _Taps] = option((10, 100), minItems=2, maxItems=2)
    """Range of the lengths of their filters; even draws are made odd."""
    gain: Range = option((0.0, 0.0))
    """Range of the gain of the linear part, dB."""
    nonlinear_bias: Range = option((5.0, 20.0))
    """What `gain` loses at its ends for the powers from 2 up, dB."""
    impulses: float = option(10.0, exclusiveMinimum=0, maximum=100)
    """Largest share of samples that impulsive noise touches, percent [P]."""
    impulse_gain: float = option(2.0, exclusiveMinimum=0)
    """Its scale relative to the sample that it touches [g_sd]."""
    snr: Range = option((10.0, 40.0))
    """Range of the signal-to-noise ratio of the stationary noise, dB."""

    def check(self, place: str) -> None:
        """Ranges are in order."""
        for name in ("centre", "width", "taps", "gain", "nonlinear_bias", "snr"):
            check_order(getattr(self, name), f"{place}.{name}")
