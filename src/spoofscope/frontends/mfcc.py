"""Mel-frequency cepstral coefficients (Davis and Mermelstein, 1980)."""

from spoofscope.frontends.cepstra import CepstralFrontEnd


class MFCC(CepstralFrontEnd):
    """Cepstra of filters that are equally wide in mel; the options are those of the base class.

    Mel are 2595 log10(1 + f / 700), and every filter has the height 1.
    """

    name = "mfcc"
    scale = "mel"
