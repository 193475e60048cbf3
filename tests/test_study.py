"""The study file: what is refused, and what a run id depends on."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from detector_folders import DETECTOR, write_detector
from planning import plan_of
from spoofscope.errors import ConfigError
from spoofscope.plan.attribution import averages_of
from spoofscope.plan.study_plan import checked, load_study

MINI = Path(__file__).resolve().parents[1] / "config" / "config.yaml"

# A small study that uses every kind of reference.
STUDY = """
study: small
title: A small study
seed: 3
data_root: resources
scatter_shards: {eval: 4}
corpora:
  mine: {type: folder, path: /data/mine, fractions: {train: 0.5, dev: 0.2, eval: 0.3}}
  other: {type: asvspoof5, path: /data/asvspoof5}
  made: {type: mini}
noise:
  musan: {path: /data/musan}
chains:
  noisy: [{effect: musan, probability: 0.5, voices: [3, 5]}, {effect: rawboost, algorithm: 5}]
augmented:
  mine_noisy: {corpus: mine, chain: noisy, splits: [train]}
backbones:
  big:
    family: wavlm
    hub: microsoft/wavlm-base-plus
    revision: 4c66d4806a428f2e922ccfa1a962776e232d487b
  tiny: {family: hubert, tiny: {layers: 2}}
  local: {family: wav2vec2, folder: /models/mine}
frontends:
  wavlm: {type: ssl, backbone: big, n_layers: 6}
  hubert: {type: ssl, backbone: tiny}
  wav2vec2: {type: ssl, backbone: local, fine_tune: all}
  lfcc: {type: lfcc}
detectors:
  a:
    frontend: wavlm
    backend: {type: mhfa, heads: 4}
    input: {length: 32000}
    seeds: [1, 2]
    train:
      data: [{corpus: mine}, {corpus: mine_noisy}]
      recipe: {epochs: 3, lr: 1.0e-3, stages: [{epochs: 1}, {lr: 1.0e-4}]}
  b:
    frontend: lfcc
    backend: {type: gmm}
    train: {data: [{corpus: other}], dev: [{corpus: mine, attacks: [x]}]}
  c:
    frontend: hubert
    backend: {type: linear}
    train: {data: [{corpus: made}], chain: noisy}
  d: {frontend: wav2vec2, backend: {type: linear}, train: {data: [{corpus: mine}]}}
score:
  - {corpus: mine, splits: [dev, eval]}
  - {corpus: other, splits: [eval]}
fusion:
  all: {detectors: [a, b], method: logistic, fit: {corpus: mine, split: dev}}
attribution: {detectors: [a], corpus: mine, split: eval}
artefacts: {trials: [{corpus: mine, split: eval}]}
"""


def small(path: str = "", value: Any = None) -> dict[str, Any]:
    """The small study; where `path` is given, with that one key set (deleted for `...`)."""
    config: dict[str, Any] = yaml.safe_load(STUDY)
    if path:
        *above, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        target: Any = config
        for key in above:
            target = target.setdefault(key, {}) if isinstance(target, dict) else target[key]
        if value is ...:
            del target[last]
        else:
            target[last] = value
    return config


def ids(config: dict[str, Any]) -> dict[str, str]:
    return {run.detector: run.id for run in checked(config).runs.values()}


# --- run ids -------------------------------------------------------------------------------------


def test_run_ids_are_stable():
    # These ids name folders on disk: a change here orphans every trained detector of every study.
    assert ids(small()) == {
        "a": "a-8591351a",
        "b": "b-721a6e08",
        "c": "c-c65a601c",
        "d": "d-f2c262d6",
    }
    # That of b, spelled out.
    identity = (
        '{"backend":{"type":"gmm"},"data":[{"corpus":{"corpus":"other","type":"asvspoof5"}}],'
        '"dev":[{"corpus":{"corpus":"mine","fractions":{"dev":0.2,"eval":0.3,"train":0.5},'
        '"type":"folder"},"systems":["x"]}],"frontend":{"type":"lfcc"},"input":{},"recipe":{}}'
    )
    assert hashlib.sha256(identity.encode()).hexdigest()[:8] == "721a6e08"


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def test_run_ids_ignore_the_order_of_keys():
    study = checked(reordered(small()))
    assert {run.detector: run.id for run in study.runs.values()} == ids(small())
    assert [run.detector for run in study.runs.values()] == ["d", "c", "b", "a"]


def test_grids_leave_one_attack_out():
    config = small(
        "detectors.a_{left_out}", {**small()["detectors"]["d"], "grid": {"left_out": ["x", "yy"]}}
    )
    source = {"corpus": "mine", "exclude_attacks": ["{left_out}"]}
    config["detectors"]["a_{left_out}"]["train"] = {"data": [source]}
    study = checked(config)
    assert study.config["detectors"]["a_yy"]["train"]["data"][0]["exclude_attacks"] == ["yy"]
    assert study.trained_on("a_x") == ["mine (without x)"]
    # Development data leave it out as well, and the weights depend on it.
    assert study.dev_sources("a_x") == study.train_sources("a_x")
    others = {study.run_of(name).id.rpartition("-")[2] for name in ("a_x", "a_yy", "d")}
    assert len(others) == 3


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data_root", "/scratch"),
        ("corpora.mine.path", "/elsewhere"),
        ("noise.musan.path", "/elsewhere"),
        ("detectors.a.seeds", [7]),
        ("title", "Another title"),
        ("study", "renamed"),
        ("scatter_shards", {}),
        ("conditions", ["attack"]),
        ("bootstrap", {"resamples": 200}),
        ("frontends.wavlm.cache", "none"),
        ("attribution.steps", 20),
        ("score.0.splits", ["dev", "eval", "train"]),
    ],
)
def test_run_ids_ignore_what_does_not_reach_the_weights(path, value):
    assert ids(small(path, value)) == ids(small())


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        ("frontends.wavlm.n_layers", 5, "a"),
        ("frontends.wavlm.fine_tune", "all", "a"),
        ("frontends.lfcc.n_filters", 40, "b"),
        ("backbones.big.revision", "0" * 40, "a"),
        ("backbones.tiny.tiny.layers", 3, "c"),
        ("backbones.local.folder", "/models/other", "d"),
        ("detectors.a.backend.heads", 8, "a"),
        ("detectors.a.input.length", 16000, "a"),
        ("detectors.a.train.recipe.epochs", 4, "a"),
        ("detectors.a.train.recipe.stages.1.lr", 2e-4, "a"),
        ("detectors.a.train.data.0.attacks", ["x"], "a"),
        ("detectors.a.train.chain", "noisy", "a"),
        ("detectors.b.train.dev.0.attacks", ["x", "y"], "b"),
        ("corpora.mine.fractions", {"train": 0.4, "dev": 0.3, "eval": 0.3}, "abd"),
        ("corpora.other.on_bad_audio", "exclude", "b"),
        ("corpora.made.options", {"speakers": {"train": 2}}, "c"),
        ("chains.noisy.0.voices", [3, 6], "ac"),
        ("noise.musan", {"generate": "mini"}, "ac"),
        ("augmented.mine_noisy.sample_rate", 8000, "a"),
        # The study's seed makes the copies, the tiny backbone and the mini corpus.
        ("seed", 4, "ac"),
    ],
)
def test_run_ids_change_with_what_reaches_the_weights(path, value, changed):
    before, after = ids(small()), ids(small(path, value))
    assert {name for name in before if before[name] != after[name]} == set(changed)


def test_the_mini_corpus_and_the_tiny_backbone_are_made_from_the_seed():
    config = small("detectors.c.train.chain", ...)
    for backbone in ("tiny", "local"):
        config["frontends"]["hubert"]["backbone"] = backbone
        other = {**copy.deepcopy(config), "seed": 4}
        assert ids(config)["c"] != ids(other)["c"]
    config["detectors"]["c"]["train"]["data"] = [{"corpus": "other"}]
    config["detectors"]["c"]["train"]["dev"] = [{"corpus": "mine"}]
    assert ids(config)["c"] == ids({**config, "seed": 4})["c"]


def test_settings_rebuild_the_detector_where_it_is():
    study = checked(small())
    frontend = study.run_of("a").settings["frontend"]
    folder = frontend["backbone"].pop("folder")
    assert folder == f"resources/backbones/{study.backbone_id('big')}"
    assert frontend == {
        "type": "ssl",
        "n_layers": 6,
        "backbone": {
            "family": "wavlm",
            "hub": "microsoft/wavlm-base-plus",
            "revision": "4c66d4806a428f2e922ccfa1a962776e232d487b",
        },
    }
    assert study.run_of("d").settings["frontend"]["backbone"]["folder"] == "/models/mine"
    # Rule parameters must survive JSON unchanged, or every dry run would see a difference.
    for run in study.runs.values():
        assert json.loads(json.dumps(run.settings)) == run.settings


def test_cached_features_are_shared_by_detectors_with_the_same_front_end_and_input():
    config = small("detectors.b.input", {"length": 16000})
    config["detectors"]["e"] = copy.deepcopy(config["detectors"]["b"])
    config["detectors"]["e"]["backend"] = {"type": "lcnn"}
    study = checked(config)
    b, e = study.run_of("b").id, study.run_of("e").id
    assert study.features_id(b) == study.features_id(e)
    assert study.features(study.features_id(b)) == {
        "frontend": {"type": "lfcc"},
        "input": {"length": 16000},
    }
    moved = checked({**config, "data_root": "/scratch"})
    run = study.run_of("a").id
    assert moved.features_id(run) == study.features_id(run)


def test_what_is_cached_and_what_trains_on_it():
    study = checked(small())
    cached = {run.detector: study.is_cached(run.id) for run in study.runs.values()}
    assert cached == {"a": True, "b": True, "c": True, "d": False}
    # c augments on the fly, so it must hear its training audio.
    reads = {run.detector: study.trains_on_features(run.id) for run in study.runs.values()}
    assert reads == {"a": True, "b": True, "c": False, "d": False}
    assert not checked(small("frontends.lfcc.cache", "none")).is_cached(study.run_of("b").id)


def test_fusion_ids_follow_their_members_and_seeds():
    study = checked(small())
    fusion = study.fusion_id("all")
    assert plan_of(study).scoring.fusions == {fusion: "all"}
    assert study.fusion_members("all") == [
        (study.run_of("a").id, 1),
        (study.run_of("b").id, 1),
    ]
    for path, value in (
        ("detectors.a.backend.heads", 8),
        ("detectors.a.seeds", [2, 1]),
        ("fusion.all.method", "mean"),
        ("fusion.all.fit.corpus", "mine"),
    ):
        other = checked(small(path, value)).fusion_id("all")
        assert (other != fusion) == (path != "fusion.all.fit.corpus"), path
    plain = yaml.safe_load(STUDY)
    assert plain["fusion"]["all"].pop("method") == "logistic"
    assert checked(plain).fusion_id("all") == fusion


def test_lists_of_a_study():
    study = checked(small())
    assert study.root == "results/small"
    assert study.scored() == [("mine", "dev"), ("mine", "eval"), ("other", "eval")]
    assert [study.shards(split) for split in ("train", "dev", "eval")] == [1, 1, 4]
    names = [name.rpartition("-")[0] for name, _ in study.systems()]
    assert names == ["a", "a", "b", "c", "d", "all"]
    # By default selection happens on the corpora, not on their augmented copies.
    assert study.dev_sources("a") == [{"corpus": "mine"}]
    assert study.dev_sources("b") == [{"corpus": "mine", "attacks": ["x"]}]


def test_unknown_run_names_the_nearest():
    study = checked(small())
    run = study.run_of("a").id
    with pytest.raises(ConfigError, match=f"no run '{run[:-1]}'.*edited.*{run}"):
        study.run(run[:-1])


def test_changing_the_config_afterwards_changes_no_study():
    config = small()
    study = checked(config)
    config["detectors"]["a"]["backend"]["heads"] = 16
    assert study.run_of("a").settings["backend"]["heads"] == 4


def test_a_detector_can_have_test_sets_of_its_own():
    config = small("detectors.b.score", [{"corpus": "mine", "splits": ["dev"]}])
    study = checked(config)
    assert ids(config) == ids(small())
    assert study.scored_by(study.run_of("a").id) == checked(small()).scored()
    assert study.scored_by(study.run_of("b").id) == [("mine", "dev")]
    # A fusion is scored where all its members are, here a and b.
    assert study.scored_by(study.fusion_id("all")) == [("mine", "dev")]
    everywhere, one = 3, 1
    assert len(study.scorings()) == 2 * everywhere + one + 2 * everywhere + one
    # What only one detector is scored on is scored; what all leave out is not.
    only = small("score", ...)
    for entry in only["detectors"].values():
        entry["score"] = [{"corpus": "mine", "splits": ["dev", "eval"]}]
    only["detectors"]["c"]["score"].append({"corpus": "made", "splits": ["train"]})
    assert checked(only).scored() == [("mine", "dev"), ("mine", "eval"), ("made", "train")]


def test_figures_show_as_many_systems_as_can_be_read():
    study = checked(small())
    assert study.shown() == study.systems()
    large = small("detectors.a.seeds", list(range(60)))
    assert checked(large).shown() == []
    large["figures"] = {"systems": ["all", "b"]}
    study = checked(large)
    assert study.shown() == [(study.run_of("b").id, 1), (study.fusion_id("all"), 0)]
    assert ids(large) == ids(small())
    with pytest.raises(ConfigError, match=r"figures.systems: with their seeds these are 60; .*48"):
        checked({**large, "figures": {"systems": ["a"]}})
    with pytest.raises(ConfigError, match=r"figures.systems\[1\]: 'z' is neither a detector nor"):
        checked({**large, "figures": {"systems": ["a", "z"]}})


def with_others(folder: Path, **told: Any) -> dict[str, Any]:
    """The small study with a detector that lies in `folder`, and one of which there are scores."""
    write_detector(folder, **told)
    config = small("detectors.theirs", {"folder": str(folder)})
    scores = {"corpus": "mine", "format": "asvspoof5", "higher": "bonafide"}
    config["detectors"]["published"] = {
        "scores": [{**scores, "split": split, "path": f"{split}.txt"} for split in ("dev", "eval")]
    }
    config["fusion"]["all"]["detectors"] += ["theirs", "published"]
    return config


def test_detectors_of_others_are_runs(tmp_path):
    study = checked(with_others(tmp_path / "theirs"))
    theirs, published = study.run_of("theirs"), study.run_of("published")
    assert (theirs.kind, theirs.seeds) == ("pretrained", (0,))
    assert (published.kind, published.seeds) == ("external_scores", (0,))
    assert {key: theirs.settings[key] for key in ("frontend", "backend", "input")} == {
        key: DETECTOR[key] for key in ("frontend", "backend", "input")
    }
    assert study.trained_on("theirs") == ["la"]
    assert study.trained_on("published") == ["elsewhere"]
    assert study.trained_on("b") == ["other"]
    assert study.scored_by(theirs.id) == study.scored()
    assert study.scored_by(published.id) == [("mine", "dev"), ("mine", "eval")]
    assert study.scored_by(study.fusion_id("all")) == [("mine", "dev"), ("mine", "eval")]
    assert not study.is_cached(theirs.id)
    assert not study.is_cached(published.id)
    assert (theirs.id, 0) in study.detector_seeds()
    assert (published.id, 0) not in study.detector_seeds()
    # Those that are trained are the same runs with and without them.
    assert ids(small()).items() <= {run.detector: run.id for run in study.runs.values()}.items()


def test_a_pretrained_detector_is_what_its_folder_says_wherever_it_lies(tmp_path):
    here, there = checked(with_others(tmp_path / "a")), checked(with_others(tmp_path / "b"))
    assert here.run_of("theirs") == there.run_of("theirs")
    other = checked(with_others(tmp_path / "a", weights_sha256="1" * 64))
    assert other.run_of("theirs").id != here.run_of("theirs").id


def test_detectors_of_others_that_are_refused(tmp_path):
    config = with_others(tmp_path / "theirs")
    for path, value, message in (
        ("theirs.folder", "/nowhere", r"detectors.theirs.folder: /nowhere is no detector folder"),
        ("theirs.backend", {}, r"detectors.theirs: unknown key 'backend'; valid are: folder"),
        ("theirs.reference", [{"corpus": "othr"}], r"theirs.reference\[0\].corpus: 'othr' is nei"),
        ("published.frontend", "lfcc", r"detectors.published: unknown key 'frontend'"),
        ("published.scores.0.corpus", "othr", r"published.scores\[0\].corpus: 'othr' is neither"),
        ("published.scores.1.split", "dev", r"published.scores\[1\]: mine.dev is there twice"),
        ("published.scores.0.higher", ..., r"published.scores\[0\]: key 'higher' is missing"),
        ("published.scores.0.format", "asvspoof", r"format: 'asvspoof' is not allowed"),
    ):
        changed = copy.deepcopy(config)
        *above, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        target: Any = changed["detectors"]
        for key in above:
            target = target[key]
        if value is ...:
            del target[last]
        else:
            target[last] = value
        with pytest.raises(ConfigError, match=message):
            checked(changed)
    with_others(tmp_path / "theirs", frontend={"type": "ssl", "backbone": {"folder": "/nowhere"}})
    with pytest.raises(
        ConfigError, match=r"theirs.folder: the detector's backbone, /nowhere, does"
    ):
        checked(config)
    path = write_detector(tmp_path / "theirs")
    # A digit that was changed by hand or by a disk is no other detector.
    path.write_text(path.read_text().replace("16000", "16001"))
    with pytest.raises(ConfigError, match=r"theirs.folder: .*detector.json is not as it was writ"):
        checked(config)
    path.write_text("{}")
    with pytest.raises(ConfigError, match=r"detector.json: format None cannot be read"):
        checked(config)


def test_rules_that_need_more_trials_than_are_made_are_refused():
    config = small()
    config["corpora"]["made"] = {"type": "mini", "options": {"speakers": {"eval": 100}}}
    config["score"].append({"corpus": "made", "splits": ["eval"]})
    config["attribution"] |= {"corpus": "made", "select": ["near_right", "beyond_wrong"]}
    with pytest.raises(
        ConfigError,
        match=r"select\[1\]: 'beyond_wrong' needs 1000 .* and made, eval has 800 bona fide ones",
    ):
        checked(config)
    config["corpora"]["made"]["options"]["speakers"]["eval"] = 125
    assert checked(config)


def test_what_cannot_be_explained_is_refused(tmp_path):
    config = with_others(tmp_path / "theirs")
    config["attribution"]["detectors"] = ["published"]
    with pytest.raises(
        ConfigError, match=r"attribution.detectors\[0\]: of 'published' there are onl"
    ):
        checked(config)
    # The baseline is made of training data, which may not be here.
    config["attribution"]["detectors"] = ["theirs"]
    with pytest.raises(ConfigError, match=r"name a corpus for it in detectors.theirs.reference"):
        checked(config)
    assert checked({**config, "attribution": {**config["attribution"], "baseline": "zeros"}})
    config["detectors"]["theirs"]["reference"] = [{"corpus": "mine"}]
    assert checked(config).train_sources("theirs") == [{"corpus": "mine"}]


def test_what_is_averaged_has_a_frequency_axis_and_windows_of_one_length(tmp_path):
    config = with_others(tmp_path / "theirs", frontend={"type": "stft"}, input={"length": 16000})
    config["frontends"]["packets"] = {"type": "wavelet_packets"}
    config["detectors"]["p"] = {
        "frontend": "packets",
        "backend": {"type": "dcnn"},
        "input": {"length": 16000},
        "train": {"data": [{"corpus": "mine"}]},
    }
    averages = {"detectors": ["p", "theirs"], "split": "dev"}
    config["attribution"]["averages"] = averages
    found = averages_of(checked(config))
    assert {key: found[key] for key in ("corpus", *averages)} == {"corpus": "mine", **averages}
    assert (found["baseline"], found["steps"]) == ("zeros", 50)
    assert averages_of(checked(small())) is None
    for values, message in (
        ({"detectors": ["q"]}, r"averages.detectors\[0\]: 'q' is not in detectors"),
        ({"detectors": ["p", "b"]}, r"averages.detectors\[1\]: the front-end of 'b', lfcc, has no"),
        ({"detectors": ["published"]}, r"of 'published' there are only scores"),
        ({"corpus": "mien"}, r"attribution.averages.corpus: 'mien' is neither .*'mine'\?"),
        ({"baseline": "centroid"}, r"averages.detectors\[1\]: .*detectors.theirs.reference"),
        ({"window_per_class": 3}, r"'window_per_class'; did you mean 'windows_per_class'\?"),
    ):
        changed = copy.deepcopy(config)
        changed["attribution"]["averages"] |= values
        with pytest.raises(ConfigError, match=message):
            checked(changed)
    config["detectors"]["p"]["input"] = {"length": None}
    with pytest.raises(ConfigError, match="'p' takes whole clips"):
        checked(config)
    # Patterns stand for names here as in other lists of detectors.
    config["attribution"]["averages"] = {"detectors": ["the*"]}
    assert averages_of(checked(config))["detectors"] == ["theirs"]


def test_disagreements_have_thresholds_and_names_of_their_own(tmp_path):
    config = with_others(tmp_path / "theirs")
    entry = {"right": "a", "wrong": "all", "corpus": "mine", "split": "eval"}
    dev = {"corpus": "mine", "split": "dev"}
    config["disagreements"] = [
        {**entry, "clips": 3},
        {**entry, "name": "other"},
        {**entry, "wrong": "published", "threshold": dev},
    ]
    study = checked(config)
    found = plan_of(study).disagreements.entries
    assert list(found) == ["a_not_all", "other", "a_not_published"]
    assert found["a_not_all"] == {
        **dev,
        "split": "eval",
        "clips": 3,
        "seconds": 10.0,
        "right": [study.run_of("a").id, 1, "a"],
        "wrong": [study.fusion_id("all"), 0, "all"],
    }
    assert found["a_not_published"]["threshold"] == dev
    for values, message in (
        ({"right": "aa"}, r"disagreements\[0\].right: 'aa' is neither a detector nor .*'a'\?"),
        ({"wrong": "a"}, r"disagreements\[0\]: 'a' cannot disagree with itself"),
        ({"name": "other"}, r"disagreements\[1\]: there is another 'other'"),
        ({"wrong": "theirs"}, r"'theirs' was not trained by this study, so it has no threshold"),
        ({"wrong": "published"}, r"'published' was not trained by this study"),
        ({"corpus": "other"}, r"disagreements\[0\]: other.eval is not scored by all"),
        ({"threshold": {**dev, "split": "eval"}}, r"threshold.split: a threshold is not chosen"),
        ({"threshold": {**dev, "split": "train"}}, r"mine.train is not scored by a"),
        ({"clip": 3}, r"'clip'; did you mean 'clips'\?"),
    ):
        changed = copy.deepcopy(config)
        changed["disagreements"][0] |= values
        with pytest.raises(ConfigError, match=message):
            checked(changed)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("corpus", {}, r"the study file: unknown key 'corpus'; did you mean 'corpora'\?"),
        (
            "detectors.a.train.recipe.learning_rates",
            1,
            r"detectors.a.train.recipe: unknown key 'learning_rates'; valid are: .*lr",
        ),
        ("detectors.a.input.lenght", 1, r"detectors.a.input: .*'lenght'; did you mean 'length'\?"),
        ("detectors.a.backend.head", 4, r"detectors.a.backend: .*'head'; did you mean 'heads'\?"),
        ("detectors.b.backend.heads", 4, r"detectors.b.backend: unknown key 'heads'; valid are: "),
        ("corpora.mine.fraction", {}, r"corpora.mine: .*'fraction'; did you mean 'fractions'\?"),
        ("frontends.lfcc.backbone", "big", r"frontends.lfcc: unknown key 'backbone'; valid are: "),
        ("chains.noisy.0.voice", [1, 2], r"chains.noisy\[0\]: .*'voice'; did you mean 'voices'\?"),
        ("chains.noisy.1.order", 5, r"chains.noisy\[1\]: .*'order'; did you mean 'orders'\?"),
        ("backbones.tiny.tiny.layer", 1, r"backbones.tiny.tiny: .*did you mean 'layers'\?"),
        ("fusion.all.fit.splits", [], r"fusion.all.fit: .*'splits'; did you mean 'split'\?"),
        ("attribution.step", 5, r"attribution: .*'step'; did you mean 'steps'\?"),
    ],
)
def test_unknown_keys_name_the_nearest(path, value, message):
    with pytest.raises(ConfigError, match=message):
        checked(small(path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seed", "1", r"seed: expected integer, found '1'"),
        ("seed", True, r"seed: expected integer, found True"),
        ("seed", -1, r"seed: -1 is less than the minimum"),
        (
            "detectors.a.train.recipe.lr",
            "1e-3",
            r"detectors.a.train.recipe.lr: expected number, found '1e-3' \(in YAML write 1.0e-3",
        ),
        ("detectors.a.input.length", "whole", r"a.input.length: expected integer or null"),
        ("detectors", [], r"detectors: expected object"),
        ("detectors.a.backend", "mhfa", r"detectors.a.backend: expected object, found 'mhfa'"),
        ("score", [], r"score: "),
        ("score.0.splits.0", "test", r"score\[0\].splits\[0\]: 'test' is not allowed; valid are"),
        ("detectors.a.train.recipe.schedule", "cosin", r"'cosin' is not allowed; .*'cosine'"),
        ("backbones.big.revision", "main", r"backbones.big.revision: 'main' does not match"),
        ("corpora.mine.fractions.train", 1.5, r"corpora.mine.fractions.*1.5"),
        ("study", "Mini Study", r"study: 'Mini Study' does not match"),
        ("corpora.My Corpus", {"type": "mini"}, r"corpora: 'My Corpus' does not match"),
        ("detectors.a.seeds", [1, 1], r"detectors.a.seeds: .*non-unique"),
        (
            "corpora.mine",
            {"type": "table", "file": "m.csv", "values": {"label": {1: "spoof"}}},
            r"corpora.mine.values.label: expected string, found 1 \(in YAML, quote numbers",
        ),
    ],
)
def test_wrong_values_name_their_place(path, value, message):
    with pytest.raises(ConfigError, match=message):
        checked(small(path, value))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("score", r"the study file: key 'score' is missing"),
        ("detectors.a.frontend", r"detectors.a: key 'frontend' is missing"),
        ("detectors.a.train.data", r"detectors.a.train: key 'data' is missing"),
        ("detectors.a.backend.type", r"detectors.a.backend: key 'type' is missing; valid are: aas"),
        ("corpora.mine.type", r"corpora.mine: key 'type' is missing; valid are: .*asvspoof2019_la"),
        ("frontends.wavlm.backbone", r"frontends.wavlm: key 'backbone' is missing"),
        ("chains.noisy.0.effect", r"chains.noisy\[0\]: key 'effect' is missing"),
        ("chains.noisy.1.algorithm", r"chains.noisy\[1\]: key 'algorithm' is missing"),
        ("noise.musan", r"chains.noisy: effect 'musan' needs the folder noise.musan"),
    ],
)
def test_missing_keys_are_named(path, message):
    with pytest.raises(ConfigError, match=message):
        checked(small(path, ...))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("corpora.mine.type", "foldr", r"corpora.mine.type: 'foldr' is not known; .*'folder'\?"),
        ("detectors.a.backend.type", "mfa", r"detectors.a.backend.type: 'mfa' .*'mhfa'\?"),
        ("frontends.lfcc.type", "lfc", r"frontends.lfcc.type: 'lfc' .*'lfcc'\?"),
        ("chains.noisy.0.effect", "musn", r"chains.noisy\[0\].effect: 'musn' .*'musan'\?"),
        ("detectors.a.frontend", "wavlmm", r"a.frontend: 'wavlmm' is not in frontends.*'wavlm'\?"),
        ("frontends.wavlm.backbone", "bigg", r"wavlm.backbone: 'bigg' is not in backbones.*'big'"),
        ("detectors.a.train.data.1.corpus", "minee", r"train.data\[1\].corpus: 'minee' is neither"),
        ("detectors.b.train.dev.0.corpus", "minee", r"b.train.dev\[0\].corpus: 'minee' is neither"),
        ("detectors.c.train.chain", "noise", r"c.train.chain: 'noise' is not in chains"),
        ("augmented.mine_noisy.corpus", "minee", r"augmented.mine_noisy.corpus: 'minee' is not in"),
        ("augmented.mine_noisy.chain", "nois", r"augmented.mine_noisy.chain: 'nois' is not in"),
        ("score.1.corpus", "othr", r"score\[1\].corpus: 'othr' is neither.*'other'\?"),
        ("fusion.all.detectors.1", "bb", r"fusion.all.detectors\[1\]: 'bb' is not in detectors"),
        ("fusion.all.fit.corpus", "other", r"fusion.all.fit: other.dev is not scored"),
        ("attribution.detectors.0", "z", r"attribution.detectors\[0\]: 'z' is not in detectors"),
        ("attribution.split", "train", r"attribution: mine.train is not scored by a; add it to"),
        (
            "detectors.a.score",
            [{"corpus": "othr", "splits": ["dev"]}],
            r"a.score\[0\].corpus: 'othr'",
        ),
        (
            "detectors.b.score",
            [{"corpus": "other", "splits": ["dev"]}],
            r"fusion.all.detectors: there are no trials that all of them score",
        ),
        (
            "detectors.b.score",
            [{"corpus": "other", "splits": ["eval"]}],
            r"fusion.all.fit: mine.dev is not scored",
        ),
        (
            "detectors.a.score",
            [{"corpus": "mine", "splits": ["dev"]}],
            r"attribution: mine.eval is not scored by a",
        ),
        ("artefacts.trials.0.corpus", "made", r"artefacts.trials\[0\]: made.eval is not scored"),
    ],
)
def test_names_that_nothing_defines(path, value, message):
    with pytest.raises(ConfigError, match=message):
        checked(small(path, value))


def test_a_name_stands_for_one_thing():
    config = small()
    config["augmented"]["mine"] = config["augmented"].pop("mine_noisy")
    config["detectors"]["a"]["train"]["data"].pop()
    with pytest.raises(ConfigError, match=r"augmented.mine: a corpus has the same name"):
        checked(config)
    config = small()
    config["fusion"]["a"] = config["fusion"].pop("all")
    with pytest.raises(ConfigError, match=r"fusion.a: a detector has the same name"):
        checked(config)


def test_splits_that_do_not_exist_are_found_before_anything_runs():
    with pytest.raises(ConfigError, match=r"score\[2\].corpus: 'mine_noisy' is used for eval, but"):
        checked(small("score", [*small()["score"], {"corpus": "mine_noisy", "splits": ["eval"]}]))
    with pytest.raises(ConfigError, match=r"b.train.data\[0\].corpus: 'other' is used for train"):
        checked(small("corpora.other.splits", ["eval"]))
    config = small("corpora.mine.splits", ["train", "eval"])
    config["detectors"] = {"d": config["detectors"]["d"]}
    with pytest.raises(ConfigError, match=r"d.train.dev: 'mine' is used for dev"):
        checked(config)
    with pytest.raises(ConfigError, match=r"detectors.a.train: key 'dev' is missing; augmented"):
        checked(small("detectors.a.train.data", [{"corpus": "mine_noisy"}]))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"type": "asvspoof2021_la"}, "nothing of it is train; it is a test set; train on another"),
        ({"type": "in_the_wild"}, r"nothing of it is train; .*\(key `fractions`\)"),
        (
            {"type": "habla", "fractions": {"eval": 1.0}},
            "'other' is used for train, but nothing of",
        ),
        (
            {"type": "in_the_wild", "splits": ["train"]},
            r"other\.splits: nothing of this corpus is t",
        ),
        ({"type": "wavefake", "fractions": {"dev": 1.0}}, "'other' is used for train, but nothing"),
    ],
)
def test_splits_that_a_corpus_cannot_have_are_found_before_it_is_read(other, message):
    with pytest.raises(ConfigError, match=message):
        checked(small("corpora.other", {"path": "other", **other}))


def test_splits_that_lists_decide_are_not_refused():
    for other in ({"type": "habla", "metadata": "splits.csv"}, {"type": "folder"}):
        checked(small("corpora.other", {"path": "other", **other}))


def test_a_fusion_is_not_fitted_where_it_is_judged():
    with pytest.raises(ConfigError, match=r"fusion.all.fit.split: .*not fitted on eval"):
        checked(small("fusion.all.fit.split", "eval"))


# --- the file ------------------------------------------------------------------------------------


def test_words_that_yaml_takes_for_booleans_are_explained(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("artefacts: {", "artefacts: {on: 1, "))
    with pytest.raises(ConfigError, match=r"artefacts: unknown key True \(in YAML, quote"):
        load_study(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"study.yaml: no such study file"),
        ("a: [1,\nb: 2", r"study.yaml: not valid YAML: (?s:.*)line [123]"),
        ("- a\n- b\n", r"study.yaml: a study file is a mapping of keys"),
        ("", r"study.yaml: a study file is a mapping of keys"),
        ("study: x\nseed: 1\nstudy: y\n", r"study.yaml: .*'study' is there twice.*line 3"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", r"study.yaml: .*'b' is there twice.*line 4"),
    ],
)
def test_files_that_are_no_study(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_study(path)


def test_the_mini_study_is_valid():
    study = load_study(MINI)
    assert study.name == "mini"
    assert all(run_id.startswith(f"{run.detector}-") for run_id, run in study.runs.items())


def test_the_order_of_sections_does_not_count() -> None:
    config = yaml.safe_load(STUDY)
    turned = checked(dict(reversed(config.items())))
    assert json.dumps(turned.config) == json.dumps(checked(config).config)
