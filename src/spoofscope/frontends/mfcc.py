"""Mel-frequency cepstral coefficients (Davis and Mermelstein, 1980)."""

import numpy as np
import numpy.typing as npt

from spoofscope.frontends.cepstra import CepstralFrontEnd


class MFCC(CepstralFrontEnd):
    """Cepstra of filters that are equally wide in mel; the options are those of the base class.

    Mel are 2595 log10(1 + f / 700), and every filter has the height 1.
    """

    name = "mfcc"

    def edges(self, f_min: float, f_max: float, n: int) -> npt.NDArray[np.float64]:
        """n frequencies in Hz, equally spaced in mel."""
        lowest, highest = 2595 * np.log10(1 + np.array([f_min, f_max]) / 700)
        mel = np.linspace(lowest, highest, n)
        return np.asarray(700 * (10 ** (mel / 2595) - 1))
