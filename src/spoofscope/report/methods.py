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
from spoofscope.options.objectives import OBJECTIVES
from spoofscope.report.audits import listed

# What is in a detector's file beside the network, see `detector`.
_NO_PART = "reference"
_MOST_HEADER = 1 << 27


# More than these are a table beside the text, not a sentence each.
_FEW_SPLITS, _FEW = 6, 3
# More detectors than this are not listed, where a fusion has all of them or nearly all.
_FEW_NAMES = 8
_UNKNOWN = ("unknown", "")

Rows = tuple[tuple[str, ...], ...]


class Paragraph(NamedTuple):
    """A heading, its text, the papers behind what it speaks of, and a table: its head and rows."""

    heading: str
    text: str
    cites: tuple[Citation, ...] = ()
    rows: Rows = ()


_Said = tuple[str, Rows]
"""What a stage has to say: a text, and a table or nothing."""


def methods(
    *,
    corpora: Sequence[Mapping[str, Any]],
    detectors: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    weights: Mapping[str, str],
    fusions: Mapping[str, Mapping[str, Any]],
    tracers: Sequence[Mapping[str, Any]] = (),
    bootstrap: Mapping[str, Any],
    packages: Mapping[str, str],
    commit: str | None,
    parts: Mapping[str, Sequence[str]],
) -> list[Paragraph]:
    """A paragraph for each stage: data, detectors, training, fusion, evaluation, source tracing,
    software.

    What there is much of, such as many detectors, is in a table below its paragraph.

    Args:
        corpora: name and `splits` of each, see `report.page`.
        detectors: name, frontend, backend, input, trained_on of each, in words.
        runs: detector, source, seeds and settings of each, in the same order.
        weights: name of a detector to its file of weights, where it has one.
        fusions: name to method, detectors and `fit`.
        tracers: name, frontend, backend, input, trained_on of each, in words; its seeds, settings,
            and what tells unknown attacks, see `plan.tracing`.
        bootstrap: resamples, and cluster, see `metrics.tables.resampled_by`.
        packages: versions, by name.
        commit: of the code, where it is known.
        parts: what each paragraph speaks of, by its heading, see `citations`.

    Raises:
        DetectorError: a file of weights is damaged.
    """
    said: dict[str, _Said] = {"Data": _data(corpora)}
    if detectors:
        said["Detectors"] = _detectors(detectors, weights)
        trained = [pair for pair in zip(detectors, runs, strict=True) if _trained(pair[0])]
        if trained:
            said["Training"] = _training(trained)
        if fusions:
            said["Fusion"] = _fusion(fusions, [shown["name"] for shown in detectors])
        of_others = sum("scores" in run["settings"] for run in runs)
        chosen = _chosen(len(runs) - of_others + len(fusions), of_others)
        said["Evaluation"] = " ".join(_evaluation(bootstrap, chosen)), ()
    if tracers:
        said["Source tracing"] = _tracing(tracers)
        said["Training of tracers"] = _training(
            [(shown, _with_objective(shown["settings"], shown["seeds"])) for shown in tracers],
            "Tracer",
        )
    said["Software"] = _software(packages, commit), ()
    return [
        Paragraph(heading, text, behind(parts.get(heading, ())), rows)
        for heading, (text, rows) in said.items()
    ]


def _trained(shown: Mapping[str, Any]) -> bool:
    return bool(shown["source"] == "trained")


def _data(corpora: Sequence[Mapping[str, Any]]) -> _Said:
    filled = [corpus for corpus in corpora if corpus["splits"]]
    if sum(len(corpus["splits"]) for corpus in filled) <= _FEW_SPLITS:
        return " ".join(map(_corpus, filled)), ()
    rows = [("Corpus", "Split", "Bona fide", "Spoofed", "Hours", "Speakers")]
    for corpus in filled:
        for split in corpus["splits"]:
            counts = f"{split['bonafide']:,}", f"{split['spoof']:,}"
            hours, speakers = f"{split['hours']:.2f}", str(split["speakers"])
            rows.append((corpus["name"], split["split"], *counts, hours, speakers))
    return f"The table has the clips of the {len(filled)} corpora.", tuple(rows)


def _corpus(corpus: Mapping[str, Any]) -> str:
    splits = [
        f"{split['split']} has {split['bonafide']} bona fide and {split['spoof']} spoofed "
        f"clips ({split['hours']:.2f} h, speakers: {split['speakers']})"
        for split in corpus["splits"]
    ]
    return f"{corpus['name']}: {'; '.join(splits)}."


def _detectors(detectors: Sequence[Mapping[str, Any]], weights: Mapping[str, str]) -> _Said:
    counted = {name: _counted(stored_numbers(path)) for name, path in weights.items()}
    if len(detectors) <= _FEW:
        return " ".join(_detector(shown, counted) for shown in detectors), ()
    columns = "frontend", "backend", "input"
    last = ("Numbers in its file",) if counted else ()
    rows: list[tuple[str, ...]] = [("Detector", "Front-end", "Back-end", "Input", *last)]
    rows += [
        (
            shown["name"] + ("" if _trained(shown) else f", not trained here ({shown['source']})"),
            *("–" if shown[each] in _UNKNOWN else shown[each] for each in columns),
            *(counted.get(shown["name"], "–") for _ in last),
        )
        for shown in detectors
    ]
    text = f"The table has the parts of the {len(detectors)} detectors, and what each hears."
    if counted:
        text += " The file of a detector holds the numbers of its network, by part."
    return text, tuple(rows)


def _detector(shown: Mapping[str, Any], counted: Mapping[str, str]) -> str:
    name = shown["name"]
    if not _trained(shown):
        text = f"{name} was not trained here ({shown['source']})."
    else:
        text = (
            f"{name} has the front-end {shown['frontend']} and the back-end {shown['backend']}, "
            f"and hears {shown['input']}."
        )
    if name in counted:
        total, _, shares = counted[name].partition(" ")
        text += f" Its file holds {total} numbers of the network {shares}."
    return text


def _counted(parts: Mapping[str, int]) -> str:
    shares = ", ".join(f"{part} {n:,}" for part, n in parts.items())
    return f"{sum(parts.values()):,} ({shares})"


def _training(
    trained: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], what: str = "Detector"
) -> _Said:
    recipes = [_recipe(run["settings"].get("recipe") or {}) for _, run in trained]
    if len(trained) <= _FEW:
        return (
            " ".join(
                f"{shown['name']} was trained on {listed(shown['trained_on'])} with "
                f"{'seeds' if len(run['seeds']) > 1 else 'seed'} {listed(map(str, run['seeds']))}"
                f"{f' ({_settings(recipe)})' if recipe else ''}."
                for (shown, run), recipe in zip(trained, recipes, strict=True)
            ),
            (),
        )
    optimised = [recipe for recipe in recipes if recipe]
    shared = {
        key: value
        for key, value in (optimised[0] if optimised else {}).items()
        if all(recipe.get(key) == value for recipe in optimised)
    }
    text = "The table has the data, the seeds and the settings of each training."
    if shared and len(optimised) > 1:
        whose = "All" if len(optimised) == len(recipes) else f"The {len(optimised)} with settings"
        text += f" {whose} have in common: {_settings(shared)}."
    else:
        shared = {}
    rows = [(what, "Trained on", "Seeds", "Settings")]
    for (shown, run), recipe in zip(trained, recipes, strict=True):
        own = {key: value for key, value in recipe.items() if key not in shared}
        seeds = ", ".join(map(str, run["seeds"]))
        data = ", ".join(shown["trained_on"])
        rows.append((shown["name"], data, seeds, _settings(own) or "–"))
    return text, tuple(rows)


def _with_objective(settings: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    """Settings of a training whose objective is not that of a detector."""
    kind = settings["objective"]["type"]
    given = {key: value for key, value in settings["objective"].items() if key != "type"}
    options = OBJECTIVES[kind].from_dict(given).to_dict()
    select_by, bonafide = options.pop("select_by"), options.pop("bonafide")
    words = [f"{key} {value:g}" for key, value in options.items() if value]
    words += ["bona fide clips left out"] if bonafide == "leave_out" else []
    recipe = settings.get("recipe") or {}
    if recipe:
        # An objective chooses checkpoints itself, and may make batches itself.
        recipe = {**recipe, "select_by": select_by}
        recipe |= {"sampler": None} if "classes" in options else {}
    objective = f"{kind} ({', '.join(words)})" if words else kind
    return {"seeds": seeds, "settings": {"recipe": {"objective": objective, **recipe}}}


def _tracing(tracers: Sequence[Mapping[str, Any]]) -> _Said:
    """What each tracer is made of, and how it tells that an attack is unknown."""
    unit = {
        "attack": "whole attacks, and of bona fide clips whole speakers",
        "source_text": "whole texts where they are known, else speakers or single clips",
    }[tracers[0]["unit"]]
    last = (
        "Detectors of unknown attacks are fitted on training data, and their thresholds are chosen "
        f"on development data. For 95 % intervals of source tracing, {unit} are drawn again."
    )
    if len(tracers) <= _FEW:
        sentences = [
            f"{shown['name']} has the front-end {shown['frontend']} and the back-end "
            f"{shown['backend']}, and hears {shown['input']}. Whether an attack is unknown is "
            f"decided by {shown['decide_by']}{_others(shown)}; {_threshold(shown)}."
            for shown in tracers
        ]
        return " ".join([*sentences, last]), ()
    rows = [("Tracer", "Front-end", "Back-end", "Input", "Unknown attacks by", "Threshold")]
    rows += [
        (
            *(shown[key] for key in ("name", "frontend", "backend", "input", "decide_by")),
            _threshold(shown),
        )
        for shown in tracers
    ]
    text = f"The table has the parts of the {len(tracers)} tracers, and what tells unknown attacks."
    return f"{text} {last}", tuple(rows)


def _others(shown: Mapping[str, Any]) -> str:
    others = [name for name in shown["ood"] if name != shown["decide_by"]]
    return f" ({listed(others)} beside it)" if others else ""


def _threshold(shown: Mapping[str, Any]) -> str:
    if shown["threshold_by"] == "known":
        return f"{100 * shown['accept_known']:g} % of the known development clips are accepted"
    return "as many known development clips are called unknown as unknown ones known"


def _recipe(recipe: Mapping[str, Any]) -> dict[str, str]:
    """The settings of a training that the study file or its preset gives."""
    preset = recipe.get("preset") or {}
    values = {**(preset.get("values") or {} if isinstance(preset, Mapping) else {}), **recipe}
    return {
        key: f"{value:g}" if isinstance(value, float) else str(value)
        for key, value in values.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }


def _settings(recipe: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in recipe.items()).replace("_", " ")


def _fusion(fusions: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> _Said:
    if len(fusions) > _FEW:
        rows = [("Fusion", "Detectors", "Method", "Fitted on")]
        for name, entry in fusions.items():
            fit = f"{entry['fit']['corpus']}, {entry['fit']['split']}"
            rows.append((name, _of(entry["detectors"], names), entry["method"], fit))
        return f"The table has the {len(fusions)} fusions of detectors.", tuple(rows)
    return " ".join(
        f"{name} fuses {_of(entry['detectors'], names)} ({entry['method']}), fitted on "
        f"{entry['fit']['corpus']}, {entry['fit']['split']}."
        for name, entry in fusions.items()
    ), ()


def _of(fused: Sequence[str], names: Sequence[str]) -> str:
    """The detectors of a fusion, those that it lacks where these are few."""
    others = [name for name in names if name not in fused]
    if len(fused) <= _FEW_NAMES or len(others) > _FEW_NAMES:
        return listed(fused)
    return f"all {len(names)} detectors" + (f" but {listed(others)}" if others else "")


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


def _chosen(own: int, of_others: int) -> str:
    """Where thresholds and calibrations are from: of so many systems, and score files of others."""
    where = "Thresholds and calibrations are chosen on development data"
    if not of_others:
        return where
    if not own:
        return "The scores were made elsewhere; no threshold and no calibration was chosen for them"
    return f"{where}, except for scores made elsewhere, which have none"


def _evaluation(bootstrap: Mapping[str, Any], chosen: str) -> Iterator[str]:
    yield (
        "Scores are higher for bona fide. The equal error rate (EER) is interpolated between "
        "operating points, and tied scores are one point. Detection costs (minDCF, actDCF) have "
        f"the parameters of ASVspoof 5: a prior of spoofs of {P_SPOOF:g}, a cost of {C_MISS:g} of "
        f"rejecting bona fide and of {C_FA:g} of accepting spoofs. Cllr is in bits. {chosen}; "
        "rates at 1 % and 0.1 % of the other error are at thresholds chosen on the evaluation set."
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
