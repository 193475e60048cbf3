"""Copies of this checkout in which tests run the workflow, apart from the results in it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from warm import warm

ROOT = Path(__file__).resolve().parents[2]

# Tables that the mini study has no use for: it has no grid, no mask of known artefacts, nobody has
# labelled it, and nobody has published it.
NOT_IN_MINI = {"grid", "cue_use", "annotation", "published"}

# Claims lie with what is made, so that other checkouts see them.
CLAIMED = ("results/tiny", "resources")

# A study of seconds: four talkers, one detector.
TINY_STUDY: dict[str, Any] = {
    "study": "tiny",
    "title": "A tiny study",
    "seed": 1,
    "data_root": "resources",
    "scatter_shards": {"eval": 2},
    "corpora": {
        "talkers": {
            "type": "mini",
            "options": {
                "speakers": {"train": 2, "dev": 2, "eval": 2},
                "sentences": {"train": 4, "dev": 4, "eval": 4},
                "codecs": [],
            },
        }
    },
    "frontends": {"lfcc": {"type": "lfcc"}},
    "detectors": {
        "lfcc_linear": {
            "frontend": "lfcc",
            "backend": {"type": "linear"},
            "input": {"length": 16000},
            "train": {
                "data": [{"corpus": "talkers"}],
                "recipe": {"epochs": 2, "lr": 1.0e-2, "batch_size": 8},
            },
        }
    },
    "score": [{"corpus": "talkers", "splits": ["dev", "eval"]}],
    "conditions": ["attack"],
    "bootstrap": {"resamples": 100},
}

# A few clips of a synthesizer beside some of these talkers, where the machine has it.
SPOKEN: dict[str, Any] = {
    "spoken": {
        "type": "tts",
        "human": "talkers",
        "sentences": ["Six boats lay there.", "It had rained all day.", "Nobody knew why."],
        "engines": [{"engine": "flite", "voices": ["slt"]}],
        "human_clips": {"train": 2, "dev": 2, "eval": 2},
    }
}
if shutil.which("flite") is None:
    SPOKEN = {}

# The tiny study with a job of every rule that a cluster is given, and hardly more.
WIDE_STUDY: dict[str, Any] = {
    **TINY_STUDY,
    "scatter_shards": {"eval": 2},
    "corpora": {**TINY_STUDY["corpora"], **SPOKEN},
    "noise": {"musan": {"generate": "mini"}},
    "chains": {
        "street": [{"effect": "musan", "probability": 0.8, "categories": {"noise": [5, 15]}}],
        "soft": [{"effect": "level", "level": [-40, -40]}],
    },
    "augmented": {"noisy": {"corpus": "talkers", "chain": "street", "splits": ["train"]}},
    "backbones": {"tiny_wavlm": {"family": "wavlm", "tiny": {}}},
    "frontends": {
        "wavlm": {"type": "ssl", "backbone": "tiny_wavlm"},
        "fbank": {"type": "fbank", "cache": "none"},
    },
    "detectors": {
        "wavlm_linear": {
            "frontend": "wavlm",
            "backend": {"type": "linear"},
            "input": {"length": 16000},
            "train": {
                "data": [{"corpus": "talkers"}, {"corpus": "noisy"}],
                "recipe": {"epochs": 8, "lr": 1.0e-2, "batch_size": 8},
            },
        },
        "fbank_linear": {
            "frontend": "fbank",
            "backend": {"type": "linear"},
            "input": {"length": 16000},
            "train": {
                "data": [{"corpus": "talkers"}],
                "recipe": {"epochs": 1, "lr": 1.0e-2, "batch_size": 8},
            },
        },
    },
    "tracers": {
        "names": {
            "frontend": "fbank",
            "backend": {"type": "linear"},
            "input": {"length": 16000},
            "trace": [{"corpus": "talkers", "splits": ["eval"]}],
            "train": {
                "data": [{"corpus": "talkers"}],
                "recipe": {"epochs": 1, "lr": 1.0e-2, "batch_size": 8},
            },
        },
    },
    "tracing": {
        "corpora": ["talkers"],
        "ood": {"msp": {"type": "msp"}},
        "decide_by": "msp",
        "threshold_by": "known",
        "bonafide_by": "fbank_linear",
    },
    "verification": {"corpora": ["talkers"], "references": 2, "targets": 5, "nontargets": 5},
    "score": [{"corpus": "talkers", "splits": ["eval"]}],
    "aligners": {
        "pauses": {"type": "energy", "trials": [{"corpus": "talkers", "splits": ["eval"]}]},
    },
    "attribution": {
        "detectors": ["wavlm_linear"],
        "corpus": "talkers",
        "split": "eval",
        "per_attack": 1,
        "steps": 8,
        "max_steps": 16,
        "baseline": "centroid",
        "averages": {"detectors": ["fbank_linear"], "windows_per_class": 2, "steps": 8},
    },
    "annotation": {"clips": 2},
    "masking": {
        "detectors": ["wavlm_linear"],
        "trials": [{"corpus": "talkers", "split": "eval"}],
        "per_attack": 1,
        "controls": 1,
        "resamples": 100,
        "masks": {
            "silence": {"type": "silence", "replacement": "centroid"},
            "gain": {"type": "gain"},
            "planted": {"type": "artefact"},
        },
    },
    "shortcuts": {
        "detectors": ["wavlm_linear"],
        "trials": [{"corpus": "talkers", "split": "eval"}],
        "per_attack": 1,
        "resamples": 100,
        "cues": {"level": {"of": "spoof", "put": "soft"}},
    },
    "robustness": {
        "detectors": ["wavlm_linear"],
        "trials": [{"corpus": "talkers", "split": "eval"}],
        "per_attack": 1,
        "resamples": 100,
        "changes": {"level": ["soft"]},
    },
    "artefacts": {"trials": [{"corpus": "talkers", "split": "eval"}], "permutations": 100},
    "fingerprints": {
        "corpus": "talkers",
        "splits": ["dev", "eval"],
        "level": 8,
        "match": "base_utt",
        "group": "base_utt",
        "halves": 2,
        "permutations": 19,
    },
    "layers": {
        "probes": {
            "states": {
                "frontend": "wavlm",
                "input": {"length": 16000},
                "data": [{"corpus": "talkers"}],
                "regularisation": [1.0],
            }
        },
        "costs": {"detectors": ["wavlm_linear"], "repeats": 2},
    },
}


# Of the wide study: what a cluster is given, what belongs to that, a figure and a table. All others
# are drawn beside Snakemake, and by the mini study.
WIDE_TARGETS = [
    *("alignments", "artefacts", "attributions", "detectors", "features", "fingerprints"),
    *(
        "layers",
        "masking",
        "metrics",
        "robustness",
        "shortcuts",
        "traces",
        "tracers",
        "verification",
    ),
    # The audit of copies reads most.
    *("figure_det_curves", "table_headline", "results/tiny/audits/noisy.tsv"),
    *(f"results/tiny/manifests/{name}.tsv" for name in SPOKEN),
]


@dataclass(frozen=True)
class Job:
    """One job of a dry run."""

    rule: str
    wildcards: Mapping[str, str]
    outputs: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Checkout:
    """A folder with a copy of the repository's files."""

    folder: Path

    def command(self, *arguments: str, profile: str = "profiles/local") -> list[str]:
        return [sys.executable, "-m", "snakemake", "--profile", profile, *arguments]

    def environment(self) -> dict[str, str]:
        # A type check of a copy starts from what is known of the original, and takes a tenth.
        types = {"MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")}
        return {**os.environ, **types, "PYTHONPATH": str(self.folder / "src")}

    def with_environment(self) -> "Checkout":
        """The same, with the environment under the name that the documentation uses.

        Python starts there as in `run`, without `start`.
        """
        programs = self.folder / ".venv/bin"
        programs.mkdir(parents=True)
        modules = {"python": "", "snakemake": "-m snakemake", "spoofscope": "-m spoofscope.cli"}
        for program in Path(sys.executable).parent.iterdir():
            if program.name not in modules:
                (programs / program.name).symlink_to(program)
        for name, module in modules.items():
            variables = shlex.join(f"{key}={value}" for key, value in warm().variables.items())
            text = f'#!/bin/sh\n{variables} exec {warm().client} {module} "$@"\n'
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        return self

    def run(
        self, command: Sequence[str], timeout: float, start: bool, **streams: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Python in the copy, with the copy's library.

        Args:
            start: in processes that are started for it, as a user's are; otherwise in forks of one
                that has imported the packages already.
        """
        command, environment = self._started(command, start)
        return subprocess.run(
            command, cwd=self.folder, env=environment, text=True, timeout=timeout, **streams
        )

    def _started(self, command: Sequence[str], start: bool) -> tuple[list[str], dict[str, str]]:
        if start:
            return list(command), self.environment()
        return [str(warm().client), *command[1:]], self.environment() | warm().variables

    def begin(
        self,
        *arguments: str,
        profile: str = "profiles/local",
        start: bool = False,
        **streams: Any,
    ) -> subprocess.Popen[str]:
        """Start Snakemake in the copy, as leader of a process group of its own."""
        command, environment = self._started(self.command(*arguments, profile=profile), start)
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            text=True,
            start_new_session=True,
            **streams,
        )

    def processes(self) -> list[psutil.Process]:
        """Every process that works in the copy."""
        found = []
        for process in psutil.process_iter():
            # It may end before it is looked at.
            with suppress(psutil.Error):
                if Path(process.cwd()) == self.folder and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def snakemake(
        self,
        *arguments: str,
        profile: str = "profiles/local",
        timeout: float = 600,
        start: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in the copy; never raises for its exit code."""
        command = self.command(*arguments, profile=profile)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return self.run(command, timeout, start, **streams)

    def make(self, *arguments: str, timeout: float = 600, start: bool = False) -> str:
        """Run Snakemake, which has to succeed; returns what it printed."""
        done = self.snakemake(*arguments, timeout=timeout, start=start)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def refuse(self, *arguments: str) -> str:
        """Run Snakemake, which has to fail; returns what it printed."""
        done = self.snakemake(*arguments)
        assert done.returncode == 1, f"exit code {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def spoofscope(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in the copy."""
        command = [sys.executable, "-m", "spoofscope.cli", *arguments]
        return self.run(command, timeout=120, start=False, capture_output=True)

    def plan(self, *arguments: str, profile: str = "profiles/local") -> list[Job]:
        """The jobs of a dry run, without targets."""
        done = self.snakemake("-n", *arguments, profile=profile)
        assert done.returncode == 0, done.stdout[-6000:]
        return parse_plan(done.stdout)

    def working_script(self) -> psutil.Process | None:
        """The process of a job that has begun its work in the copy."""
        for place in CLAIMED:
            for claim in self.folder.glob(f"{place}/.spoofscope/claims/*"):
                # It may be over before it is looked at, or not written yet.
                with suppress(FileNotFoundError, ValueError, psutil.Error):
                    script = psutil.Process(json.loads(claim.read_text())["pid"])
                    # A claim outlives who is killed.
                    if Path(script.cwd()) == self.folder:
                        return script
        return None

    def write_study(self, study: Mapping[str, Any], name: str = "study.yaml") -> str:
        """Write a study file; returns its name, for `--configfile`."""
        text = yaml.safe_dump(dict(study), sort_keys=False)
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def copy(self, folder: Path) -> "Checkout":
        """Another copy, results and Snakemake's records included, with the same times."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.folder), str(folder)], check=True)
        return Checkout(folder)


def parse_plan(text: str) -> list[Job]:
    """The jobs that a dry run prints, without targets, which make nothing."""
    jobs = []
    for block in re.split(r"\n(?=(?:local)?rule \w+:\n)", text):
        first, *lines = block.splitlines()
        match = re.fullmatch(r"(?:local)?rule (\w+):", first)
        if not match:
            continue
        fields: dict[str, str] = {}
        for line in lines:
            field = re.fullmatch(r"    ([a-z]+): (.*)", line)
            if field is None:
                break
            fields[field[1]] = field[2]
        if "output" not in fields:
            continue  # `all`, or another target
        wildcards = dict(
            pair.split("=", 1) for pair in fields.get("wildcards", "").split(", ") if pair
        )
        outputs = tuple(fields["output"].replace(" (temp)", "").split(", "))
        jobs.append(Job(match[1], wildcards, outputs, fields.get("reason", "")))
    return jobs


def clone(folder: Path) -> Checkout:
    """Copy what is in version control, with the changes in the working tree, and new files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    # Copies of the same files are the same commit.
    dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-01-01T00:00:00Z")
    for arguments in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "Copy"]):
        subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **dates}, check=True)
    return Checkout(folder)


def run_mini(folder: Path) -> Checkout:
    """The mini study from nothing."""
    checkout = clone(folder)
    checkout.make("all", timeout=3000)
    return checkout
