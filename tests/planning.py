"""Plans in process: a study with everything, and stand-ins for code and recordings."""

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from detector_folders import write_detector
from spoofscope.plan.jobs import Code, Context, Job, Product
from spoofscope.plan.study_plan import Plan, checked
from spoofscope.study import MINI, Study
from spoofscope.study.reading import read_config


class Recordings:
    """What lies outside: every file has its name for a hash, with `changed` behind it."""

    def __init__(self) -> None:
        self.changed = ""

    def files(self, paths: Iterable[str]) -> dict[str, str | None]:
        return {str(path): f"{path}{self.changed}" for path in paths}

    def folder(
        self, what: str, root: str, recordings: str, output: str, find: Callable[[], Any]
    ) -> str:
        return f"{root}{self.changed}"

    def made(self, what: str, recordings: str, reader: str, output: str) -> str | None:
        return self.changed or None

    def listed(self, what: str, table: str, column: str, folder: str = "") -> str | None:
        return self.changed or None


class Versions(Code):
    """The version of every rule's script; that of the `edited` rule is another one."""

    def __init__(self, edited: str = "") -> None:
        super().__init__(Path(), Path())
        self.edited = edited

    def digest(self, rule: str, modules: Iterable[str], templates: Iterable[str]) -> str:
        return f"{rule} edited" if rule == self.edited else rule


def plan_of(
    study: Study, versions: Versions | None = None, outside: Recordings | None = None
) -> Plan:
    """The plan of a study."""
    return Plan(Context(study, outside or Recordings(), versions or Versions()))


def study_with_everything(folder: Path) -> Study:
    """The mini study with what it lacks, so that every rule has a job.

    Args:
        folder: for what comes from outside.
    """
    config = copy.deepcopy(read_config(MINI))
    corpora, detectors = config["corpora"], config["detectors"]
    corpora["fetched"] = {
        "type": "folder",
        "archives": [{"url": "https://example.org/a.tar.gz", "sha256": "0" * 64}],
    }
    corpora["placed"] = {"type": "folder", "path": str(folder / "corpus")}
    corpora["spoken"] = {
        "type": "tts",
        "human": "placed",
        "sentence_file": str(folder / "sentences.txt"),
        "engines": [{"engine": "flite", "voices": ["slt"]}],
    }
    config["scatter_shards"] = {"dev": 2, "eval": 3}
    config["noise"]["musan"] = {"path": str(folder / "musan")}
    (folder / "backbone").mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / "backbone" / name).write_text("{}")
    backbone = {"family": "wavlm", "folder": str(folder / "backbone")}
    write_detector(folder / "pretrained", frontend={"type": "ssl", "backbone": backbone})
    detectors["pretrained"] = {"folder": str(folder / "pretrained")}
    given = {"path": str(folder / "scores.tsv"), "format": "tsv", "higher": "bonafide"}
    detectors["external_scores"] = {
        "scores": [{"corpus": "mini", "split": split, **given} for split in ("dev", "eval")]
    }
    detectors["wider_{n}"] = {**detectors["fbank_cnn"], "grid": {"n": [16000, 36000]}}
    detectors["wider_{n}"]["input"] = {"length": "{n}"}
    detectors["depth"] = copy.deepcopy(detectors["wav2vec2_aasist"])
    config["frontends"]["wav2vec2_deep"] = {**config["frontends"]["wav2vec2"], "n_layers": 3}
    detectors["depth"]["frontend"] = "wav2vec2_deep"
    detectors["nearest"] = {
        "frontend": "packets",
        "backend": {"type": "fingerprint"},
        "input": {"length": 16000},
        "train": {"data": [{"corpus": "mini"}]},
    }
    config["fusion"]["all"]["detectors"].append("external_scores")
    config["exports"]["calibrated"] = True
    config["published"] = [
        {
            **{"system": "fbank_cnn", "corpus": "mini", "split": "eval", "metric": "eer"},
            **{"value": "0.10", "source": "A paper", "place": "Table 1"},
        }
    ]
    clips = [{"corpus": "mini", "splits": ["eval"]}]
    config["backbones"]["listener"] = {"family": "wav2vec2", "tiny": {}, "head": "ctc"}
    listener = {"family": "wavlm", "folder": str(folder / "listener"), "head": "ctc"}
    config["backbones"]["own_listener"] = listener
    config["aligners"] = {
        "pauses": {"type": "energy", "trials": clips},
        "true": {"type": "table", "trials": clips},
        "listed": {"type": "textgrid", "path": str(folder / "grids"), "trials": clips},
        "letters": {
            "type": "ctc",
            "backbone": "listener",
            "silence": "pauses",
            "transcript": "sentence",
            "trials": clips,
        },
        "heard": {"type": "ctc", "backbone": "own_listener", "silence": "true", "trials": clips},
        "given": {"type": "table", "path": str(folder / "segments.tsv"), "trials": clips},
    }
    config["tracing"] = {"corpora": ["mini"], "bonafide_by": "fbank_cnn"}
    config["tracers"] = {
        "names": {
            "frontend": "fbank",
            "backend": {"type": "cnn"},
            "train": {"data": [{"corpus": "mini"}], "dev": [{"corpus": "placed"}]},
        }
    }
    config["verification"] = {"corpora": ["mini"], "enrol": "train"}
    config["masking"] = {
        "detectors": ["fbank_cnn"],
        "trials": [{"corpus": "mini", "split": "eval"}],
        "masks": {
            "phones": {"type": "phones", "replacement": "centroid"},
            "blanks": {"type": "silence", "as_published": True},
            "cue": {"type": "artefact"},
        },
        "aligner": "letters",
        "threshold": {"corpus": "mini", "split": "dev"},
    }
    config["chains"]["dull"] = [{"effect": "band", "low": 4000, "high": 8000, "gain": [-60, -60]}]
    config["shortcuts"] = {
        "detectors": ["fbank_cnn"],
        "trials": [{"corpus": "mini", "split": "eval"}],
        "cues": {"band": {"of": "spoof", "put": "dull", "put_control": "field"}},
        "threshold": {"corpus": "mini", "split": "dev"},
    }
    config["robustness"]["threshold"] = {"corpus": "mini", "split": "dev"}
    config["annotation"]["labels"] = [str(folder / "labels.tsv")]
    config["tdcf"] = [
        {
            "corpus": "mini",
            "split": "eval",
            "form": "2019",
            "scores": str(folder / "verifier.txt"),
        }
    ]
    return checked(config)


def jobs_of(products: Iterable[Product]) -> dict[tuple[str, tuple[Any, ...]], Job]:
    """All jobs behind some products, by rule and values of wildcards."""
    jobs: dict[tuple[str, tuple[Any, ...]], Job] = {}
    pending = [product.maker for product in products]
    while pending:
        job = pending.pop()
        if isinstance(job, Job) and (job.rule, job.values) not in jobs:
            jobs[job.rule, job.values] = job
            pending += [product.maker for product in job.products]
    return jobs
