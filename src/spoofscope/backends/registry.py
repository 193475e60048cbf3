"""Back-ends by name. A member, and with it torch, is imported only when it is built."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from spoofscope.errors import ConfigError

if TYPE_CHECKING:
    from spoofscope.backends.base import BackEnd

_MEMBERS = {
    "aasist": "spoofscope.backends.aasist:AASIST",
    "ca_mhfa": "spoofscope.backends.ca_mhfa:CAMHFA",
    "cnn": "spoofscope.backends.cnn:CNN",
    "dcnn": "spoofscope.backends.dcnn:DCNN",
    "ffn": "spoofscope.backends.ffn:FFN",
    "fingerprint": "spoofscope.backends.fingerprint:Fingerprint",
    "gmm": "spoofscope.backends.gmm:GMM",
    "lcnn": "spoofscope.backends.lcnn:LCNN",
    "linear": "spoofscope.backends.linear:Linear",
    "mhfa": "spoofscope.backends.mhfa:MHFA",
    "raw_aasist": "spoofscope.backends.raw_aasist:RawAASIST",
    "resnet": "spoofscope.backends.resnet:ResNet",
    "sls": "spoofscope.backends.sls:SLS",
}


def available() -> list[str]:
    """Names of all back-ends, sorted."""
    return sorted(_MEMBERS)


def module_of(name: str) -> str:
    """The module that a back-end is found in, for code digests.

    Raises:
        ConfigError: no such back-end.
    """
    if name not in _MEMBERS:
        raise ConfigError(f"no back-end {name!r} (one of {', '.join(available())})")
    return _MEMBERS[name].partition(":")[0]


def build(
    config: Mapping[str, Any], *, n_channels: int, dim: int, n_frames: int | None
) -> "BackEnd":
    """Build the back-end that `config["type"]` names, with the other keys as its options.

    Args:
        config: a resolved slice of the study file.
        n_channels: C of the features that it will get.
        dim: D of the features.
        n_frames: N where the input policy fixes it, else None.

    Raises:
        ConfigError: no such back-end, or an option that it does not have.
    """
    options = dict(config)
    name = options.pop("type", None)
    if name not in _MEMBERS:
        raise ConfigError(f"no back-end {name!r} (type: one of {', '.join(available())})")
    module, _, member = _MEMBERS[name].partition(":")
    factory = getattr(import_module(module), member)
    back_end: BackEnd = factory(options, n_channels=n_channels, dim=dim, n_frames=n_frames)
    return back_end
