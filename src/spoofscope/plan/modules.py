"""The modules that a job's script finds by name at run time, which its code digest has to know."""

from collections.abc import Mapping
from typing import Any

from spoofscope.augmentation.registry import EFFECTS
from spoofscope.backends.registry import BACK_ENDS
from spoofscope.corpora.registry import CORPORA
from spoofscope.frontends.registry import FRONT_ENDS
from spoofscope.masks import MASKS
from spoofscope.ood.registry import OOD_DETECTORS


def component_modules(settings: Mapping[str, Any]) -> list[str]:
    """Of a detector's front-end and, where it has one, back-end."""
    modules = [FRONT_ENDS.module_of(settings["frontend"]["type"])]
    if "backend" in settings:
        modules.append(BACK_ENDS.module_of(settings["backend"]["type"]))
    return modules


def ood_modules(detectors: Mapping[str, Any]) -> list[str]:
    """Of detectors of unknown attacks, and of the members of gates."""
    kinds = [entry for one in detectors.values() for entry in (one, *one.get("members", []))]
    return [OOD_DETECTORS.module_of(entry["type"]) for entry in kinds]


def effect_modules(chain: Mapping[str, Any]) -> list[str]:
    """Of the effects in a chain."""
    return [EFFECTS.module_of(step["effect"]) for step in chain["steps"]]


def corpus_modules(entry: Mapping[str, Any]) -> list[str]:
    """Of what reads a corpus."""
    return [CORPORA.module_of(entry["type"])]


def mask_modules(masks: Mapping[str, Any]) -> list[str]:
    """Of masks, and of the effects that masks of waveforms are."""
    modules = [MASKS.module_of(entry["type"]) for entry in masks.values()]
    effects = [entry["type"] for entry in masks.values() if entry["type"] in EFFECTS.available()]
    return [*modules, *map(EFFECTS.module_of, effects)]
