"""Methods of attribution by name. A member is imported only when it is used."""

from collections.abc import Mapping, Sequence
from typing import Any

from spoofscope.options.attribution import PATH_INTEGRAL
from spoofscope.registry import Registry

ATTRIBUTION_METHODS: Registry[Any] = Registry(
    "attribution method",
    {
        PATH_INTEGRAL: "spoofscope.attribution.methods:path_integral",
        "gradient_x_input": "spoofscope.attribution.methods:gradient_x_input",
        "occlusion_time": "spoofscope.attribution.methods:occlusion_time",
    },
)

METHOD_TITLES: Mapping[str, str] = {
    PATH_INTEGRAL: "Integrated Gradients",
    "gradient_x_input": "gradient × input",
    "occlusion_time": "occlusion in time",
}
"""Of every method, for figures and sentences."""

ADDS_UP = (PATH_INTEGRAL,)
"""Methods whose maps must add up to the difference of the scores; others only say by how much they
miss it."""


def named(detector: str, method: str, methods: Sequence[str]) -> str:
    """The name of a detector with its method, where it is explained by several."""
    return detector if len(set(methods)) == 1 else f"{detector}, {METHOD_TITLES[method]}"
