"""Methods of attribution by name. A member is imported only when it is used."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spoofscope.options.attribution import BASELINES, PATH_INTEGRAL
from spoofscope.registry import Registry

ATTRIBUTION_METHODS: Registry[Any] = Registry(
    "attribution method",
    {
        PATH_INTEGRAL: "spoofscope.attribution.methods:path_integral",
        "gradient_x_input": "spoofscope.attribution.methods:gradient_x_input",
        "gradient_shap": "spoofscope.attribution.methods:gradient_shap",
        "occlusion_time": "spoofscope.attribution.methods:occlusion_time",
        "occlusion_band": "spoofscope.attribution.methods:occlusion_band",
        "attention_relevance": "spoofscope.attribution.attention:attention_relevance",
    },
)

METHOD_TITLES: Mapping[str, str] = {
    PATH_INTEGRAL: "Integrated Gradients",
    "gradient_x_input": "gradient × input",
    "gradient_shap": "GradientSHAP",
    "occlusion_time": "occlusion in time",
    "occlusion_band": "occlusion in time and band",
    "attention_relevance": "attention relevance",
}
"""Of every method, for figures and sentences."""

ADDS_UP = (PATH_INTEGRAL,)
"""Methods whose maps must add up to the difference of the scores; others only say by how much they
miss it."""

ONE_ROW = ("occlusion_time", "attention_relevance")
"""Methods that give one value per frame, whatever the features of a frame."""

WITHOUT_BASELINE = ("attention_relevance",)
"""Methods whose maps are relative to nothing."""

NEED_BANDS = ("occlusion_band",)
"""Methods for front-ends with a frequency axis."""

NEED_ATTENTION = ("attention_relevance",)
"""Methods for front-ends that are transformers."""

OF_FEATURES = ("occlusion_band", "attention_relevance")
"""Methods that attribute to features only, not to samples."""

OWN_CHECK: Mapping[str, str] = {
    "gradient_x_input": "gradient_spearman",
    "occlusion_time": "occlusion_spearman",
}
"""The check that would compare a method with itself, and is not made."""

BASELINE_CHECKS: Mapping[str, str] = {kind: f"{kind}_baseline_spearman" for kind in BASELINES}
"""Of another baseline: the agreement of maps relative to it with those that are shown."""

NOISE_CHECK = "noise_spearman"
"""The agreement of maps with those of the same clips with inaudible noise."""


def asked_checks(
    other_baselines: Iterable[str], noise_snr_db: float | None, method: str
) -> list[str]:
    """The checks of explanations that a study asks for, besides those that are always made."""
    kinds = () if method in WITHOUT_BASELINE else other_baselines
    noise = [] if noise_snr_db is None else [NOISE_CHECK]
    return [*(BASELINE_CHECKS[kind] for kind in kinds), *noise]


def named(detector: str, method: str, methods: Sequence[str]) -> str:
    """The name of a detector with its method, where it is explained by several."""
    return detector if len(set(methods)) == 1 else f"{detector}, {METHOD_TITLES[method]}"
