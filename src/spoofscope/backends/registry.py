"""Back-ends by name. A member, and with it torch, is imported only when it is built."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from spoofscope.registry import Registry

if TYPE_CHECKING:
    from spoofscope.backends.base import BackEnd

BACK_ENDS: "Registry[Callable[..., BackEnd]]" = Registry(
    "back-end",
    {
        "aasist": "spoofscope.backends.aasist:AASIST",
        "attentive_statistics": "spoofscope.backends.attentive_statistics:AttentiveStatistics",
        "ca_mhfa": "spoofscope.backends.ca_mhfa:CAMHFA",
        "cnn": "spoofscope.backends.cnn:CNN",
        "dcnn": "spoofscope.backends.dcnn:DCNN",
        "ffn": "spoofscope.backends.ffn:FFN",
        "fingerprint": "spoofscope.backends.fingerprint:Fingerprint",
        "gmm": "spoofscope.backends.gmm:GMM",
        "lcnn": "spoofscope.backends.lcnn:LCNN",
        "linear": "spoofscope.backends.linear:Linear",
        "mhfa": "spoofscope.backends.mhfa:MHFA",
        "projection": "spoofscope.backends.projection:Projection",
        "raw_aasist": "spoofscope.backends.raw_aasist:RawAASIST",
        "resnet": "spoofscope.backends.resnet:ResNet",
        "sls": "spoofscope.backends.sls:SLS",
    },
)


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
    factory = BACK_ENDS.member(options.pop("type", None))
    return factory(options, n_channels=n_channels, dim=dim, n_frames=n_frames)
