"""Study files that cannot be right: each is refused at once, in one line that names the place."""

# ruff: noqa: E501 - a case is a line

import json
import math
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
import yte

from spoofscope.columns import check_columns
from spoofscope.errors import ConfigError
from spoofscope.launch import check_command_line, check_folder
from spoofscope.plan.study_plan import checked, load_study
from spoofscope.study import Study
from spoofscope.study.reading import located, read_config, typed
from spoofscope.targets import asked_study_files, check_targets

STUDY = """
study: small
corpora:
  talkers: {type: mini}
  own: {type: folder, path: /data/own, fractions: {train: 0.6, dev: 0.2, eval: 0.2}}
backbones:
  big: {family: wavlm, hub: microsoft/wavlm-base-plus, revision: 4c66d4806a428f2e922ccfa1a962776e232d487b}
frontends:
  lfcc: {type: lfcc}
  wavlm: {type: ssl, backbone: big}
detectors:
  a:
    frontend: lfcc
    backend: {type: lcnn}
    input: {length: 16000}
    train: {data: [{corpus: talkers}], recipe: {epochs: 2, lr: 1.0e-3}}
  b: {frontend: wavlm, backend: {type: mhfa}, train: {data: [{corpus: own}]}}
score: [{corpus: talkers, splits: [dev, eval]}]
conditions: [attack]
bootstrap: {resamples: 100}
"""

# Seconds that a refusal may take on a busy machine; a second on an idle one.
AT_ONCE = 10


def changed(path: str, value: Any) -> dict[str, Any]:
    """The study with one key set, or deleted for `...`."""
    config: dict[str, Any] = yaml.safe_load(STUDY)
    *above, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    target: Any = config
    for key in above:
        target = target.setdefault(key, {}) if isinstance(target, dict) else target[key]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return config


def loaded(text: str | bytes, tmp_path: Path) -> Study:
    """As a run of the workflow reads a study file."""
    path = tmp_path / "own.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    study = load_study(path)
    try:
        check_columns(study)
    except ConfigError as error:
        raise located(error, [path]) from None
    return study


def refusal(make: Callable[[], Any]) -> str:
    """The message of a refusal, which comes at once and is one line for people."""
    started = time.monotonic()
    with pytest.raises(ConfigError) as error:
        make()
    assert time.monotonic() - started < AT_ONCE
    message = str(error.value)
    assert len(message) < 4200, message
    return message


# --- values ------------------------------------------------------------------------------------

# (key, value, words of the refusal)
VALUES = [
    # names
    ("study", "tiny\n", "study: 'tiny\\n' does not match"),
    ("study", "a/b", "study: 'a/b' does not match"),
    ("study", "../up", "study: '../up' does not match"),
    ("study", "", "study: '' does not match"),
    ("study", 7, "study: expected string, found 7"),
    ("study", "a" * 300, "study: "),
    ("corpora.Own Corpus", {"type": "mini"}, "corpora: 'Own Corpus' does not match"),
    ("detectors.a\n", {"folder": "x"}, "detectors: 'a\\n' does not match"),
    ("detectors.ä", {"folder": "x"}, "detectors: 'ä' does not match"),
    # wholes of the wrong kind
    ("corpora", [], "corpora: expected object, found []"),
    ("corpora", None, "corpora: expected object, found None"),
    ("corpora", ..., "key 'corpora' is missing"),
    ("detectors", "all", "detectors: expected object"),
    ("detectors.a", None, "detectors.a: expected object, found None"),
    ("frontends", 3, "frontends: expected object"),
    ("score", {}, "score: expected array"),
    ("score", [], "score: "),
    ("score", ..., "key 'score' is missing"),
    ("conditions", "attack", "conditions: expected array, found 'attack'"),
    # words
    ("detector", {}, "unknown key 'detector'; did you mean 'detectors'?"),
    ("corpora.talkers.type", "mni", "corpora.talkers.type: 'mni' is not known; did you mean 'mini'"),
    ("corpora.own.pth", "x", "corpora.own: unknown key 'pth'; did you mean 'path'?"),
    ("frontends.lfcc.type", "lfc", "frontends.lfcc.type: 'lfc' is not known; did you mean 'lfcc'"),
    ("detectors.a.backend.type", "lcn", "detectors.a.backend.type: 'lcn' is not known"),
    ("detectors.a.frontend", "lfc", "detectors.a.frontend: 'lfc' is not in frontends; did you mean"),
    ("detectors.a.train.data.0.corpus", "talker", "'talker' is neither a corpus nor"),
    ("detectors.a.train.recipe.epoch", 1, "detectors.a.train.recipe: unknown key 'epoch'; did you"),
    ("detectors.a.train.recipe.preset", "small", "small"),
    ("score.0.splits.0", "test", "score[0].splits[0]: 'test' is not allowed"),
    ("conditions", ["atack"], "conditions[0]: no corpus of the study has a column 'atack'; did you mean 'attack'?"),
    # words of before
    ("conditions", ["codec+system"], "conditions[0]: the column 'system' is called 'attack' now"),
    ("bootstrap.cluster", "system", "bootstrap.cluster: the column 'system' is called 'attack' now"),
    ("corpora.own", {"type": "table", "path": "d", "file": "t.csv", "columns": {"path": "p", "label": "l", "system": "s"}}, "corpora.own.columns.system: the column 'system' of manifests is called 'attack' now"),
    ("detectors.a.train.data.0.systems", ["x"], "detectors.a.train.data[0]: unknown key 'systems'; it is called 'attacks' now"),
    ("detectors.a.train.data.0.exclude_systems", ["x"], "unknown key 'exclude_systems'; it is called 'exclude_attacks' now"),
    ("attribution", {"corpus": "talkers", "split": "eval", "detectors": ["a"], "per_system": 2}, "attribution: unknown key 'per_system'; it is called 'per_attack' now"),
    ("fingerprints", {"corpus": "talkers", "systems": ["x"]}, "fingerprints: unknown key 'systems'; it is called 'attacks' now"),
    # words
    ("conditions", ["codec+langage"], "did you mean 'language'?"),
    ("conditions", ["attack", "attack"], "conditions: "),
    ("conditions", [3], "conditions[0]: expected string, found 3"),
    ("conditions", [""], "conditions[0]: "),
    ("conditions", ["+"], "conditions[0]: "),
    ("bootstrap.cluster", "speeker", "bootstrap.cluster: no corpus of the study has a column 'speeker'; did you mean 'speaker'?"),
    ("fingerprints", {"corpus": "talkers", "match": "voise"}, "fingerprints.match: corpus talkers has no column 'voise'"),
    ("fingerprints", {"corpus": "talkers", "group": "sentense"}, "did you mean 'sentence'?"),
    # numbers
    ("seed", True, "seed: expected integer, found True"),
    ("seed", 1.5, "seed: expected integer, found 1.5"),
    ("seed", -1, "seed: -1 is less than the minimum"),
    ("seed", 10**30, "seed: the number has more than 64 bits"),
    ("seed", "1", "seed: expected integer, found '1'"),
    ("detectors.a.input.length", 8000.0, "detectors.a.input.length: expected integer or null, found 8000.0 (write 8000)"),
    ("detectors.a.input.length", 8000.5, "detectors.a.input.length: expected integer or null, found 8000.5"),
    ("detectors.a.input.length", 10**12, "detectors.a.input.length: "),
    ("detectors.a.input.length", 0, "detectors.a.input.length: 0 is less than the minimum"),
    ("detectors.a.train.recipe.epochs", 1e300, "detectors.a.train.recipe.epochs: "),
    ("detectors.a.train.recipe.lr", "1e-3", "detectors.a.train.recipe.lr: expected number, found '1e-3' (in YAML write 1.0e-3"),
    ("detectors.a.train.recipe.lr", math.nan, "detectors.a.train.recipe.lr: expected a number, found nan"),
    ("detectors.a.train.recipe.lr", math.inf, "detectors.a.train.recipe.lr: expected a number, found inf"),
    ("detectors.a.train.recipe.lr", 0, "detectors.a.train.recipe.lr: 0 is less than or equal"),
    ("detectors.a.abstain", math.nan, "detectors.a.abstain: expected a number, found nan"),
    ("corpora.own.fractions.train", math.nan, "corpora.own.fractions.train: expected a number, found nan"),
    ("corpora.own.fractions.train", 1.1, "corpora.own.fractions.train: 1.1 is greater than the maximum"),
    ("corpora.own.fractions", {"train": 0.6, "eval": 0.5}, "corpora.own.fractions: they add up to 1.1, not to 1"),
    ("corpora.own.fractions", {}, "corpora.own.fractions: they add up to 0, not to 1"),
    ("corpora.own.fractions", {"train": -0.2, "eval": 1.2}, "corpora.own.fractions."),
    ("corpora.own.speaker", "p[0-9]+", "corpora.own: speaker 'p[0-9]+' needs a group"),
    ("corpora.own.speaker", "(p", "is no regular expression"),
    ("corpora.talkers.options", {"speakers": {"train": 0}}, "corpora.talkers.options.speakers.train: 0 is less"),
    ("corpora.talkers.options", {"sentences": {"train": 3}}, "corpora.talkers.options.sentences.train: 3 is not a multiple of 2"),
    ("corpora.talkers.options", {"sentences": 4}, "corpora.talkers.options.sentences: expected object"),
    ("corpora.talkers.options", {"sentence": {}}, "corpora.talkers.options: unknown key 'sentence'; did you mean 'sentences'?"),
    ("corpora.talkers.options", {"codecs": ["opu"]}, "corpora.talkers.options.codecs[0]: 'opu' is not allowed"),
    ("corpora.talkers.options", {"sentences": {"dev": 4}, "spoofs": 6}, "corpora.talkers.options.sentences.dev: 4 is less than `spoofs`, 6"),
    # sizes that would never end
    ("scatter_shards", {"eval": 10**7}, "scatter_shards.eval: "),
    ("detectors.a.seeds", list(range(101)), "detectors.a.seeds: "),
    ("bootstrap.resamples", 10**12, "bootstrap.resamples: "),
    ("frontends.packets", {"type": "wavelet_packets", "level": 60}, "frontends.packets.level: 60"),
    ("frontends.wavlm.n_layers", 10**9, "frontends.wavlm.n_layers: "),
    ("backbones.big", {"family": "wavlm", "tiny": {"layers": 10**9}}, "backbones.big.tiny.layers: "),
    ("detectors.a_{x}_{y}", {"folder": "{x}{y}", "grid": {"x": [*range(2000)], "y": [*range(2000)]}}, "detectors.a_{x}_{y}.grid: "),
    # paths
    ("data_root", "a{x}b", "data_root: 'a{x}b' holds braces"),
    ("data_root", "src", "data_root: 'src': the folder src is for something else"),
    ("data_root", "results/tiny", "data_root: 'results/tiny': the folder results is for something else"),
    ("data_root", "./x/../config", "the folder config is for something else"),
    ("data_root", str(Path.cwd() / "src" / "data"), "the folder src is for something else"),
    ("data_root", ".", "data_root: '.' is the folder of the workflow itself"),
    ("data_root", "", "data_root: "),
    ("data_root", "a\nb", "data_root: "),
    ("data_root", "~nobody_at_all/data", "data_root: '~nobody_at_all/data': there is no such home"),
    ("corpora.own.path", "/data/\0own", "corpora.own.path: the text holds the control character"),
    ("title", "\x1b[31mred", "title: the text holds the control character"),
    ("title", "gnp.\u202eexe", "title: the text holds the control character"),
    ("corpora.own.path", "/data/\u2066own", "corpora.own.path: the text holds the control character"),
    ("conditions", ["a\nb"], "conditions[0]: a condition's column cannot be called 'a\\nb'"),
    ("conditions", ["label"], "conditions[0]: 'label' cannot be a condition"),
    ("backbones.big.hub", "some\none/wavlm", "backbones.big.hub: 'some\\none/wavlm' does not match"),
    ("backbones.big.hub", "https://x.org/wavlm", "backbones.big.hub: "),
    # long values are not echoed whole
    ("corpora.talkers.type", "x" * 5000, "...' (5,000 characters) is not known"),
    ("corpora." + "x" * 5000, {"type": "mini"}, "corpora: the value breaks the rule maxLength: 100"),
    ("conditions", ["lorem ipsum " * 500], "...' (6,000 characters)"),
    ("seed", [1, 2] * 5000, "expected integer, found [1, 2, 1,"),
    ("title", "half \ud800 of a pair", "title: the text holds the control character"),
    # backbones
    ("backbones.big.revision", ..., "backbones.big: key 'revision' is missing; for microsoft/wavlm-base-plus it has to be the 40 digits of a commit"),
    ("backbones.big.revision", "main", "backbones.big.revision: 'main' does not match ^[0-9a-f]{40}$; it has to be the 40 digits of a commit, not the name of a branch"),
    ("backbones.big.revision", "A" * 40, "git ls-remote"),
    ("backbones.big.folder", "/models/big", "backbones.big: one of hub, folder and tiny has to be given, found hub and folder"),
    ("backbones.big", {"family": "wavlm"}, "backbones.big: one of hub, folder and tiny has to be given, found none"),
    ("detectors.c", {"folder": "/nowhere/at/all"}, "detectors.c.folder: /nowhere/at/all is no detector folder"),
    ("generators", {"systems": ["b"], "trials": [{"corpus": "own", "split": "eval"}]}, "generators.trials[0]: own.eval is not scored"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "words"), VALUES)
def test_a_value_that_cannot_be(path, value, words):
    def make() -> None:
        check_columns(checked(changed(path, value)))

    assert words in refusal(make)


# --- files -------------------------------------------------------------------------------------

BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    + [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
)
MAPPINGS = "\n".join(
    ["a: &a {k: v, l: v}"]
    + [
        f"{b}: &{b} {{k: *{a}, l: *{a}, m: *{a}, n: *{a}}}"
        for a, b in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
    ]
)
MERGES = "\n".join(
    ["a: &a {k: v}"]
    + [f"{b}: &{b} {{{b}k: *{a}, {b}l: *{a}, {b}m: {{<<: *{a}}}}}" for a, b in zip("abcdefghijklmnopqr", "bcdefghijklmnopqrs", strict=True)]
)  # fmt: skip

FILES = {
    "list bomb": (BOMB, "more than 50,000 values"),
    "mapping bomb": (MAPPINGS, "more than 50,000 values"),
    "merge bomb": (MERGES, "more than 50,000 values"),
    "bomb in a section": (f"{STUDY}\nbomb:\n" + "\n".join(f"  {x}" for x in BOMB.split("\n")), "50,000"),
    "alias of itself": ("study: &s [*s]", "an alias stands inside of what it stands for"),
    "mapping in itself": ("study: small\ncorpora: &c {own: *c}", "inside of what it stands for"),
    "unknown alias": ("study: *s", "not valid YAML"),
    "deep": ("study: " + "[" * 100_000, "mappings and lists in each other"),
    "deep mappings": ("{a: " * 5000, "mappings and lists in each other"),
    "key twice": (STUDY + "\nstudy: other", "'study' is there twice, the second time in line"),
    "python tag": ("study: !!python/object/apply:os.system [id]", "not valid YAML"),
    "tab": ("study:\n\tsmall: 1", "not valid YAML"),
    "open quote": ('study: "small', "not valid YAML"),
    "two documents": ("study: small\n---\nstudy: other", "not valid YAML"),
    "empty": ("", "a study file is a mapping of keys"),
    "comment": ("# nothing\n", "a study file is a mapping of keys"),
    "list": ("- study", "a study file is a mapping of keys"),
    "text": ("small", "a study file is a mapping of keys"),
    "number": ("7", "a study file is a mapping of keys"),
    "binary": (bytes(range(256)) * 10, "not UTF-8 text"),
    "zeros": (b"study: small\n\0\0\0", "zero bytes"),
    "latin-1": ("title: café".encode("latin-1"), "not UTF-8 text"),
    "UTF-16": (STUDY.encode("utf-16"), "UTF-16; save it as UTF-8"),
    "UTF-16 without mark": (STUDY.encode("utf-16-le"), "not a text: it holds zero bytes"),
    "control character": ("title: \x07", "not valid YAML"),
    "wrong date": ("study: 2024-13-45", "not valid YAML"),
    "date": (STUDY + "\ntitle: 2024-01-01", "own.yaml, line 22: title: expected string"),
    "date in a default": (STUDY.replace("type: mini", "type: table, path: x, file: t.csv, defaults: {day: 2024-01-01}"), "quote dates"),
    "list as a key": ("? [a, b]\n: c", "not valid YAML"),
    "number as a key": (STUDY + "\n7: x", "in YAML, quote"),
    "nothing as a key": (STUDY + "\nnull: x", "in YAML, quote"),
    "large": (b"#" * (9 * 2**20), "larger than 8 MB"),
    "code for Snakemake": ("__use_yte__: true\n" + STUDY, "__use_yte__"),
    "no section of its own": ("study: small\nstudy_: x\ncorpora: {a: {type: mini}}", "unknown key 'study_'"),
    "line of a value": (STUDY.replace("epochs: 2", "epochs: two"), "own.yaml, line 16: detectors.a.train.recipe.epochs: expected integer"),
    "line of a key": (STUDY.replace("input:", "inputt:"), "own.yaml, line 15: detectors.a: unknown key 'inputt'; did you mean 'input'?"),
    "line of a former key": (STUDY.replace("{corpus: talkers}", "{corpus: talkers, systems: [x]}"), "own.yaml, line 16: detectors.a.train.data[0]: unknown key 'systems'; it is called 'attacks' now"),
    "line of a list": (STUDY.replace("[dev, eval]", "[dev, test]"), "own.yaml, line 18: score[0].splits[1]: 'test'"),
    "line of a column": (STUDY.replace("[attack]", "\n  - attack\n  - atack"), "atack"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be(name, tmp_path):
    text, words = FILES[name]
    message = refusal(lambda: loaded(text, tmp_path))
    assert words in message
    if name != "line of a column":  # the workflow itself says where
        assert str(tmp_path / "own.yaml") in message


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no such study file"),
        ("folder", "a folder, not a study file"),
        ("device", "a pipe or a device, and a study file is read from a file"),
        ("unreadable name", "cannot be read"),
    ],
)
def test_a_file_that_is_none(kind, words, tmp_path):
    path = {
        "missing": tmp_path / "no.yaml",
        "folder": tmp_path,
        "device": Path("/dev/zero"),
        "unreadable name": f"{tmp_path}/a\0b",
    }[kind]
    assert words in refusal(lambda: read_config(path))


def test_overlays_are_merged_and_messages_name_the_file_that_is_meant(tmp_path):
    base, overlay = tmp_path / "own.yaml", tmp_path / "overlay.yaml"
    base.write_text(STUDY)
    overlay.write_text("detectors:\n  a: {train: {recipe: {epochs: 5}}}\nconditions: [codec]\n")
    study = load_study(base, overlay)
    assert study.config["detectors"]["a"]["train"]["recipe"] == {"epochs": 5, "lr": 0.001}
    assert study.config["conditions"] == ["codec"]
    overlay.write_text("\ndetectors:\n  a: {train: {recipe: {epoch: 5}}}\n")
    message = refusal(lambda: load_study(base, overlay))
    assert message.startswith(f"{overlay}, line 3: detectors.a.train.recipe: unknown key 'epoch'")
    overlay.write_text("title: other\n")
    base.write_text(STUDY.replace("[dev, eval]", "[test]"))
    message = refusal(lambda: load_study(base, overlay))
    assert message.startswith(f"{base}, line 18: score[0].splits[0]: 'test'")
    # Both have the key: the later one counts.
    overlay.write_text("\nbootstrap: {resamples: 10}\nscore:\n- {corpus: own, splits: [dev]}\n")
    message = refusal(lambda: load_study(base, overlay))
    assert message.startswith(f"{overlay}, line 2: bootstrap.resamples: 10 resamples are too few")
    # A list takes the place of the whole list before it.
    overlay.write_text("score:\n\n- {corpus: own}\n")
    message = refusal(lambda: load_study(base, overlay))
    assert message.startswith(f"{overlay}, line 3: score[0]: key 'splits' is missing")
    error = ConfigError("detectors.a.train.recipe.epochs: 0 is less than the minimum of 1")
    options = {"detectors": {"a": {"train": {"recipe": {"epochs": 0}}}}}
    assert str(located(error, [base], options)).startswith("--config: detectors.a.train.recipe")
    assert str(located(error, [base], {"seed": 1})).startswith(f"{base}, line 16: detectors")


GRID = """
study: small
corpora: {talkers: {type: mini}}
frontends: {lfcc: {type: lfcc}}
detectors:
  a: {frontend: lfcc, backend: {type: lcnn}, train: {data: [{corpus: talkers}]}}
  long_{n}:
    grid: {n: [1, 2]}
    frontend: lfcc
    backend: {type: lcnn}
    input:
      lenght: "{n}"
    train: {data: [{corpus: talkers}]}
score: [{corpus: talkers, splits: [eval]}]
comparisons:
  systems:
  - long_*
  - a
  - b
"""


def test_the_line_of_a_grid_is_that_of_its_points(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(GRID)
    message = refusal(lambda: load_study(path))
    assert message.startswith(f"{path}, line 12: detectors.long_1.input: unknown key 'lenght'")
    # Behind a pattern, names are no longer at the place where they are written.
    path.write_text(GRID.replace("lenght", "length"))
    message = refusal(lambda: load_study(path))
    assert message.startswith(f"{path}, line 16: comparisons.systems[3]: 'b' is neither")


@pytest.mark.parametrize(("path", "value", "words"), VALUES)
def test_messages_name_the_line(path, value, words, tmp_path):
    """With a key or an item a line, it is the line of the place that the message names."""
    text = yaml.safe_dump(changed(path, value), sort_keys=False, width=10**5)
    message = refusal(lambda: loaded(text, tmp_path))
    where, _, said = message.partition(": ")
    # A key that is nowhere has no line, and what is no study file is refused before it is looked at.
    if said.startswith("the study file: key ") or words not in message:
        assert where.startswith(str(tmp_path / "own.yaml"))
        return
    line = text.splitlines()[int(where.removeprefix(f"{tmp_path / 'own.yaml'}, line ")) - 1]
    key, _, item = said.partition(":")[0].rpartition(".")[2].partition("[")
    unknown = re.search(r"^[^:]*: unknown key '(.*?)'", said)
    assert line.lstrip(" -").startswith(f"{unknown[1] if unknown else key}:") or item


# --- what may be left out, and what is taken as it is meant ----------------------------------------


def test_a_study_says_no_more_than_it_has_to():
    study = checked({"study": "small", "corpora": {"talkers": {"type": "mini"}}})
    assert {key: study.config[key] for key in ("title", "seed", "data_root", "detectors")} == {
        "title": "small",
        "seed": 1,
        "data_root": "resources",
        "detectors": {},
    }
    assert study.scorings() == []
    # Written out, the defaults are the same study.
    assert checked(study.written).written == study.written


def test_a_study_of_scores_has_no_frontends():
    scores = {"corpus": "own", "split": "eval", "path": "x.csv", "format": "csv", "higher": "spoof"}
    config = {
        "study": "small",
        "corpora": {"own": {"type": "folder", "path": "/data/own"}},
        "detectors": {"theirs": {"scores": [scores]}},
    }
    assert [run.kind for run in checked(config).runs.values()] == ["external_scores"]


def test_a_tilde_is_the_home_folder_in_paths_and_nowhere_else(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = changed("corpora.own.path", "~/own")
    config["title"] = "~/own"
    config["data_root"] = "~/data"
    config["noise"] = {"musan": {"path": "~/musan"}}
    config["backbones"]["big"] = {"family": "wavlm", "folder": "~/wavlm"}
    config["tdcf"] = [{"corpus": "talkers", "split": "eval", "form": "2019", "scores": "~/asv.txt"}]
    scores = {"corpus": "own", "split": "eval", "path": "~/x", "format": "csv", "higher": "spoof"}
    config["detectors"]["c"] = {"scores": [scores]}
    study = checked(config)
    assert study.corpus_root("own") == "/home/me/own"
    assert study.data_root == "/home/me/data"
    assert study.noise_root("musan") == "/home/me/musan"
    assert study.backbone_folder("big") == "/home/me/wavlm"
    assert study.config["tdcf"][0]["scores"] == "/home/me/asv.txt"
    assert study.config["detectors"]["c"]["scores"][0]["path"] == "/home/me/x"
    assert study.config["title"] == "~/own"
    # Where a corpus lies changes no run.
    moved = checked(changed("corpora.own.path", "/elsewhere"))
    assert checked(changed("corpora.own.path", "~/own")).runs.keys() == moved.runs.keys()


def test_values_within_values_of_the_command_line_have_their_types():
    given = {"resamples": "7", "cluster": "speaker", "list": ["1.5", "true", "null", "1e-3", "'7'"]}
    assert typed({"bootstrap": given, "seed": 3, "title": "7"} | {"title": 7}) == {
        "bootstrap": {
            "resamples": 7,
            "cluster": "speaker",
            "list": [1.5, True, None, "1e-3", "7"],
        },
        "seed": 3,
        "title": 7,
    }
    json.dumps(typed(given))


# --- the command line --------------------------------------------------------------------------

RULES = ["all", "figures", "figure_localisation", "figure_det_curves", "tables", "scores"]
MADE = [
    "results/small/figures/det_curves.pdf",
    "results/small/manifests/talkers.tsv",
    "results/small/scores/a-0123abcd/seed1/talkers.eval.tsv",
]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("figure_localisatoin", "no target; did you mean 'figure_localisation'?"),
        ("figur", "did you mean 'figures'?"),
        ("results/small/figures/det_curvs.pdf", "did you mean 'results/small/figures/det_curves.pdf'?"),
        ("talkers", "did you mean 'results/small/manifests/talkers.tsv'?"),
        ("a", "did you mean 'results/small/scores/a-0123abcd/seed1/talkers.eval.tsv'?"),
        ("Snakefile", "`snakemake --list-target-rules` lists all"),
    ],
)  # fmt: skip
def test_a_target_that_nothing_makes(target, words):
    message = refusal(lambda: check_targets(["all", target], RULES, MADE, MADE.__contains__))
    assert message.startswith(f"{target!r} is no ")
    assert words in message


def test_targets_that_are_made():
    check_targets([*RULES, *MADE], RULES, MADE, MADE.__contains__)


def test_a_second_configfile_is_not_dropped():
    check_command_line(["snakemake", "all", "--configfile", "a.yaml", "b.yaml"])
    for second in (["--configfile", "b.yaml"], ["--configfiles=b.yaml"]):
        arguments = ["snakemake", "--configfile", "a.yaml", *second]
        assert "--configfile is given twice" in refusal(lambda a=arguments: check_command_line(a))


def test_a_folder_with_braces(tmp_path):
    check_folder(tmp_path)
    assert "has braces in its name" in refusal(lambda: check_folder(tmp_path / "p{x}"))


@pytest.mark.parametrize(
    ("words", "files"),
    [
        ("all -n", []),
        ("all --configfile a.yaml b.yaml", ["a.yaml", "b.yaml"]),
        ("--configfile a.yaml --cores 1 all", ["a.yaml"]),
        ("--configfiles=a.yaml b.yaml -n all", ["a.yaml", "b.yaml"]),
        ("--config seed=2 --configf a.yaml", ["a.yaml"]),
    ],
)
def test_the_study_files_of_a_command_line(words, files):
    assert asked_study_files(["snakemake", *words.split()]) == files


@pytest.mark.parametrize("profile", ["local", "slurm"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BOMB.encode(), "more than 50,000 values"),
        (MAPPINGS.encode(), "more than 50,000 values"),
        (MERGES.encode(), "more than 50,000 values"),
        (b"study: x\xff\n", "not UTF-8 text"),
        (STUDY.encode("utf-16"), "UTF-16; save it as UTF-8"),
        (None, "no such study file"),
    ],
)
def test_profiles_refuse_before_snakemake_reads(profile, content, words, tmp_path, monkeypatch):
    """Snakemake writes out aliases, or ends in a traceback, before it reads the Snakefile."""
    root = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "own.yaml"
    if content is not None:
        path.write_bytes(content)

    def read(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["snakemake", *arguments])
        with open(root / f"profiles/{profile}/profile.yaml") as stream:
            assert yte.process_yaml(stream, require_use_yte=True)["keep-going"] is True

    read("all", "--configfile", str(root / "config/config.yaml"))
    started = time.monotonic()
    with pytest.raises(SystemExit, match=f"ConfigError: .*own.yaml.*{words}"):
        read("all", "--configfile", str(path))
    assert time.monotonic() - started < AT_ONCE
    with pytest.raises(
        SystemExit, match=r"ConfigError: all: no such study file; .*put targets fir"
    ):
        read("--configfile", str(root / "config/config.yaml"), "all")


ANYTHING = (
    *(None, True, -1, 0, 0.5, -0.0, 1e308, 2**40, 10**18, "", " ", "x", "1", "nan", "~", "*", "-"),
    *(
        "all",
        "a/../b",
        "a\tb",
        "{x}",
        "$(id)",
        "/dev/zero",
        [],
        [[]],
        {},
        {"a": 1},
        {"a": {"b": []}},
    ),
    *([1, "a", None], ["all", "all"], [0] * 300),
)


def _places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values of a study file, whole sections among them."""
    inner = value.items() if isinstance(value, dict) else []
    inner = enumerate(value) if isinstance(value, list) else inner
    return [*([where] if where else []), *(p for k, v in inner for p in _places(v, (*where, k)))]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_any_value_anywhere_is_taken_or_refused(seed):
    """Many values at random places of the mini study's file: never a traceback."""
    root = Path(__file__).resolve().parents[2]
    text = (root / "config/config.yaml").read_text()
    places = _places(yaml.safe_load(text))
    rng = random.Random(seed)
    refused = []
    for _ in range(25):
        config = yaml.safe_load(text)
        *above, last = rng.choice(places)
        target = config
        for key in above:
            target = target[key]
        target[last] = rng.choice(ANYTHING)
        try:
            check_columns(checked(config))
        except ConfigError as error:
            refused.append(str(error))
    assert len(refused) >= 10
    assert max(map(len, refused)) < 4200
