"""Detectors of unknown attacks by name. A member is imported only when it is built."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spoofscope.registry import Registry

if TYPE_CHECKING:
    from spoofscope.ood.base import Array, OodDetector

OOD_DETECTORS: "Registry[type[OodDetector[Any]]]" = Registry(
    "detector of unknown attacks",
    {
        "energy": "spoofscope.ood.logits:Energy",
        "entropy": "spoofscope.ood.logits:Entropy",
        "gate": "spoofscope.ood.gate:Gate",
        "kl": "spoofscope.ood.logits:Kl",
        "knn": "spoofscope.ood.neighbours:Knn",
        "knn_mean": "spoofscope.ood.neighbours:KnnMean",
        "mahalanobis": "spoofscope.ood.gaussians:Mahalanobis",
        "margin": "spoofscope.ood.logits:Margin",
        "max_logit": "spoofscope.ood.logits:MaxLogit",
        "msp": "spoofscope.ood.logits:Msp",
        "nnguide": "spoofscope.ood.guided:NnGuide",
        "nsd": "spoofscope.ood.guided:Nsd",
        "nsd_per_class": "spoofscope.ood.guided:NsdPerClass",
        "relation": "spoofscope.ood.relation:Relation",
        "softmax_energy": "spoofscope.ood.logits:SoftmaxEnergy",
        "ssd": "spoofscope.ood.gaussians:Ssd",
        "vim": "spoofscope.ood.subspace:Vim",
    },
)


def build(config: Mapping[str, Any]) -> "OodDetector[Any]":
    """The detector that `config["type"]` names, with the other keys as its options; not fitted.

    Raises:
        ConfigError: no such detector, or an option that it does not have.
    """
    options = dict(config)
    member = OOD_DETECTORS.member(options.pop("type", None))
    return member(member.options_type.from_dict(options))


def restore(config: Mapping[str, Any], arrays: Mapping[str, "Array"]) -> "OodDetector[Any]":
    """A fitted detector, from its config as for :func:`build` and its arrays.

    Raises:
        ConfigError: as :func:`build`.
        DetectorError: these are no arrays of it.
    """
    options = dict(config)
    member = OOD_DETECTORS.member(options.pop("type", None))
    return member.from_arrays(member.options_type.from_dict(options), arrays)
