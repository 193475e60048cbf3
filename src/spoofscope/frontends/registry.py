"""Front-ends by name. A member, and with it torch, is imported only when it is built."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from spoofscope.errors import ConfigError

if TYPE_CHECKING:
    from spoofscope.frontends.base import FrontEnd

_MEMBERS = {
    "fbank": "spoofscope.frontends.fbank:FilterBank",
    "lfcc": "spoofscope.frontends.lfcc:LFCC",
    "mfcc": "spoofscope.frontends.mfcc:MFCC",
    "raw": "spoofscope.frontends.raw:SincBank",
    "ssl": "spoofscope.frontends.ssl:SSLFrontEnd",
    "stft": "spoofscope.frontends.stft:STFT",
    "wavelet_packets": "spoofscope.frontends.wavelet_packets:WaveletPackets",
}


def available() -> list[str]:
    """Names of all front-ends, sorted."""
    return sorted(_MEMBERS)


def module_of(name: str) -> str:
    """The module that a front-end is found in, for code digests.

    Raises:
        ConfigError: no such front-end.
    """
    if name not in _MEMBERS:
        raise ConfigError(f"no front-end {name!r} (one of {', '.join(available())})")
    return _MEMBERS[name].partition(":")[0]


def build(config: Mapping[str, Any]) -> "FrontEnd":
    """Build the front-end that `config["type"]` names, with the other keys as its options.

    Raises:
        ConfigError: no such front-end, or an option that it does not have.
    """
    options = dict(config)
    name = options.pop("type", None)
    if name not in _MEMBERS:
        raise ConfigError(f"no front-end {name!r} (type: one of {', '.join(available())})")
    module, _, member = _MEMBERS[name].partition(":")
    front_end: FrontEnd = getattr(import_module(module), member)(options)
    return front_end
