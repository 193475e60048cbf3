"""Linear-frequency cepstral coefficients (Sahidullah et al., Interspeech 2015)."""

import numpy as np
import numpy.typing as npt

from spoofscope.frontends.cepstra import CepstralFrontEnd


class LFCC(CepstralFrontEnd):
    """Cepstra of filters that are equally wide in Hz; the options are those of the base class."""

    name = "lfcc"

    def edges(self, f_min: float, f_max: float, n: int) -> npt.NDArray[np.float64]:
        """n frequencies, equally spaced in Hz."""
        return np.linspace(f_min, f_max, n)
