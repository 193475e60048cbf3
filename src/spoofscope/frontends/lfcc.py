"""Linear-frequency cepstral coefficients (Sahidullah et al., Interspeech 2015)."""

from spoofscope.frontends.cepstra import CepstralFrontEnd


class LFCC(CepstralFrontEnd):
    """Cepstra of filters that are equally wide in Hz; the options are those of the base class."""

    name = "lfcc"
    scale = "linear"
