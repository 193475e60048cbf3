"""Front-ends by name. A member, and with it torch, is imported only when it is built."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from spoofscope.registry import Registry

if TYPE_CHECKING:
    from spoofscope.frontends.base import FrontEnd

FRONT_ENDS: "Registry[Callable[[dict[str, Any]], FrontEnd]]" = Registry(
    "front-end",
    {
        "fbank": "spoofscope.frontends.fbank:FilterBank",
        "lfcc": "spoofscope.frontends.lfcc:LFCC",
        "mfcc": "spoofscope.frontends.mfcc:MFCC",
        "raw": "spoofscope.frontends.raw:SincBank",
        "resemblyzer": "spoofscope.frontends.resemblyzer:Resemblyzer",
        "ssl": "spoofscope.frontends.ssl:SSLFrontEnd",
        "stft": "spoofscope.frontends.stft:STFT",
        "wavelet_packets": "spoofscope.frontends.wavelet_packets:WaveletPackets",
    },
)


def build(config: Mapping[str, Any]) -> "FrontEnd":
    """Build the front-end that `config["type"]` names, with the other keys as its options.

    Raises:
        ConfigError: no such front-end, or an option that it does not have.
    """
    options = dict(config)
    return FRONT_ENDS.member(options.pop("type", None))(options)
