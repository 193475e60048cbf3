"""The methods of a study in sentences, as a paper has them, written from the study itself."""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spoofscope.citations import Citation, behind
from spoofscope.errors import DetectorError
from spoofscope.metrics.rates import C_FA, C_MISS, P_SPOOF
from spoofscope.report.audits import listed

# What is in a detector's file beside the network, see `detector`.
_NO_PART = "reference"
_MOST_HEADER = 1 << 27


class Paragraph(NamedTuple):
    """A heading, its text, and the papers behind what it speaks of."""

    heading: str
    text: str
    cites: tuple[Citation, ...] = ()


def methods(
    *,
    corpora: Sequence[Mapping[str, Any]],
    detectors: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    weights: Mapping[str, str],
    fusions: Mapping[str, Mapping[str, Any]],
    bootstrap: Mapping[str, Any],
    packages: Mapping[str, str],
    commit: str | None,
    parts: Mapping[str, Sequence[str]],
) -> list[Paragraph]:
    """The paragraphs: data, detectors, evaluation, software.

    Args:
        corpora: name and `splits` of each, see `report.page`.
        detectors: name, frontend, backend, input, trained_on of each, in words.
        runs: detector, source, seeds and settings of each, in the same order.
        weights: name of a detector to its file of weights, where it has one.
        fusions: name to method, detectors and `fit`.
        bootstrap: resamples, and cluster, see `metrics.tables.resampled_by`.
        packages: versions, by name.
        commit: of the code, where it is known.
        parts: what each paragraph speaks of, by its heading, see `citations`.

    Raises:
        DetectorError: a file of weights is damaged.
    """
    texts = {"Data": " ".join(_data(corpora))}
    if detectors:
        texts["Detectors"] = " ".join(_detectors(detectors, runs, weights))
        texts["Evaluation"] = " ".join(_evaluation(fusions, bootstrap))
    texts["Software"] = _software(packages, commit)
    return [
        Paragraph(heading, text, behind(parts.get(heading, ()))) for heading, text in texts.items()
    ]


def _data(corpora: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for corpus in corpora:
        splits = [
            f"{split['split']} has {split['bonafide']} bona fide and {split['spoof']} spoofed "
            f"clips ({split['hours']:.2f} h, speakers: {split['speakers']})"
            for split in corpus["splits"]
        ]
        if splits:
            yield f"{corpus['name']}: {'; '.join(splits)}."


def _detectors(
    detectors: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    weights: Mapping[str, str],
) -> Iterator[str]:
    for shown, run in zip(detectors, runs, strict=True):
        name = shown["name"]
        if shown["source"] != "trained":
            yield f"{name} was not trained here ({shown['source']})."
        else:
            seeds = listed(map(str, run["seeds"]))
            many = "seeds" if len(run["seeds"]) > 1 else "seed"
            yield (
                f"{name} has the front-end {shown['frontend']} and the back-end "
                f"{shown['backend']}, hears {shown['input']}, and was trained on "
                f"{listed(shown['trained_on'])} with {many} {seeds}"
                f"{_recipe(run['settings'].get('recipe') or {})}."
            )
        if name in weights:
            parts = stored_numbers(weights[name])
            total = sum(parts.values())
            shares = ", ".join(f"{part} {n:,}" for part, n in parts.items())
            yield f"Its file holds {total:,} numbers of the network ({shares})."


def _recipe(recipe: Mapping[str, Any]) -> str:
    """The settings of a training that the study file or its preset gives."""
    preset = recipe.get("preset") or {}
    values = {**(preset.get("values") or {} if isinstance(preset, Mapping) else {}), **recipe}
    shown = [
        f"{key.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    ]
    return f" ({', '.join(shown).replace('_', ' ')})" if shown else ""


def stored_numbers(path: str | Path) -> dict[str, int]:
    """How many numbers a file of weights holds, by part of the network.

    Statistics of norms count, frozen weights of a front-end do not, because they are elsewhere.

    Raises:
        DetectorError: it is no file of safetensors.
    """
    try:
        with open(path, "rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            if size > _MOST_HEADER:
                raise ValueError(f"a header of {size} bytes")
            header = json.loads(stream.read(size))
        parts: dict[str, int] = {}
        for name, entry in header.items():
            part = name.partition(".")[0]
            if name != "__metadata__" and part != _NO_PART:
                parts[part] = parts.get(part, 0) + math.prod(entry["shape"])
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise DetectorError(f"{path} holds no weights, or is damaged: {error}") from error
    return dict(sorted(parts.items(), reverse=True))


def _evaluation(
    fusions: Mapping[str, Mapping[str, Any]], bootstrap: Mapping[str, Any]
) -> Iterator[str]:
    for name, entry in fusions.items():
        fit = entry["fit"]
        yield (
            f"{name} fuses {listed(entry['detectors'])} ({entry['method']}), fitted on "
            f"{fit['corpus']}, {fit['split']}."
        )
    yield (
        "Scores are higher for bona fide. The equal error rate (EER) is interpolated between "
        "operating points, and tied scores are one point. Detection costs (minDCF, actDCF) have "
        f"the parameters of ASVspoof 5: a prior of spoofs of {P_SPOOF:g}, a cost of {C_MISS:g} of "
        f"rejecting bona fide and of {C_FA:g} of accepting spoofs. Cllr is in bits. Thresholds and "
        "calibrations are chosen on development data; rates at 1 % and 0.1 % of the other error "
        "are at thresholds chosen on the evaluation set."
    )
    if bootstrap["resamples"]:
        cluster = bootstrap["cluster"]
        unit = (
            "speakers where they are known, else single trials"
            if cluster is None
            else "single trials"
            if cluster == "none"
            else f"values of {cluster}"
        )
        yield (
            f"95 % intervals are percentiles of {bootstrap['resamples']:,} bootstrap resamples of "
            f"{unit}, and never narrower than the exact binomial interval (Clopper and Pearson, "
            "1934) of the class that decides the number."
        )
    else:
        yield "No intervals were computed."


_NAMED = ("python", "torch", "torchaudio", "transformers", "numpy", "scipy", "snakemake")


def _software(packages: Mapping[str, str], commit: str | None) -> str:
    versions = listed(f"{name} {packages[name]}" for name in _NAMED if name in packages)
    of_code = f" (commit {commit})" if commit else ""
    return (
        f"All numbers were made by spoofscope {packages.get('spoofscope', '')}{of_code}, a "
        f"workflow of Snakemake (doi:10.1093/bioinformatics/bts480), with {versions}."
    )
