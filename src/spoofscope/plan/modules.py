"""The modules that a job's script finds by name at run time, which its code digest has to know."""

from collections.abc import Mapping
from typing import Any

from spoofscope.augmentation import registry as effects
from spoofscope.backends import registry as backends
from spoofscope.corpora import registry as corpora
from spoofscope.frontends import registry as frontends


def component_modules(settings: Mapping[str, Any]) -> list[str]:
    """Of a detector's front-end and, where it has one, back-end."""
    modules = [frontends.module_of(settings["frontend"]["type"])]
    if "backend" in settings:
        modules.append(backends.module_of(settings["backend"]["type"]))
    return modules


def effect_modules(chain: Mapping[str, Any]) -> list[str]:
    """Of the effects in a chain."""
    return [effects.module_of(step["effect"]) for step in chain["steps"]]


def corpus_modules(entry: Mapping[str, Any]) -> list[str]:
    """Of what reads a corpus."""
    return [corpora.module_of(entry["type"])]
