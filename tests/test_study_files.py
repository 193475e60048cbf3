"""The full-scale study files hold what the papers did, and every part of them can be built."""

import functools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from planning import plan_of
from spoofscope.augmentation.chain import Chain, utterance_rng
from spoofscope.backends import registry as backends
from spoofscope.corpora import registry as corpora
from spoofscope.frontends import registry as frontends
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.needs import needs
from spoofscope.plan.study_plan import load_study
from spoofscope.study import Run, Study
from spoofscope.training.recipe import resolve_recipe
from spoofscope.windows import InputPolicy

STUDIES = Path(__file__).resolve().parents[1] / "config" / "studies"
# Of docs/how_do_i.md, which has tests of its own.
READY = ("in_the_wild", "wavlm_large")
OWN_FOLDERS = ("generator_tracing", "wavefake_layout")
FULL = ("ig_detectors", "layerwise", "source_tracing", "two_stage", "wavelet_packets")


@functools.cache
def study(name: str) -> Study:
    return load_study(STUDIES / f"{name}.yaml")


def settings(loaded: Study, detector: str) -> dict[str, Any]:
    return loaded.run_of(detector).settings


def test_all_full_studies_are_looked_at():
    assert sorted(path.stem for path in STUDIES.glob("*.yaml")) == sorted(
        [*FULL, *READY, *OWN_FOLDERS, "planted_truth", "real_tts", "watermark"]
    )


@pytest.mark.parametrize("name", FULL)
def test_everything_from_outside_is_known(name):
    loaded = study(name)
    found = needs(loaded)
    backbones = loaded.config.get("backbones", {})
    noise = loaded.config.get("noise", {})
    assert {need.name for need in found} == {*loaded.corpora, *backbones, *noise}
    assert all(need.source.startswith("http") for need in found)
    for corpus, entry in loaded.corpora.items():
        corpora.build(entry, loaded.corpus_root(corpus), key=corpus)


def test_the_layerwise_grid():
    loaded = study("layerwise")
    assert len(loaded.run_seeds()) == 1260
    # Of the whole encoders: 6, with 2 back-ends, on 10 test sets.
    published = {(one["system"], one["corpus"]): one for one in loaded.config["published"]}
    assert len(published) == len(loaded.config["published"]) == 120
    assert published["wav2vec2_large_n24_ffn_la19", "df21"]["value"] == "4.14"
    assert published["wavlm_small_n12_aasist_ctrsvdd", "ctrsvdd"]["value"] == "18.73"
    assert sum("unlike" in one for one in published.values()) == 12 + 2 * 10 - 2
    assert {run.seeds for run in loaded.runs.values()} == {(42, 1, 1234)}
    points = Counter()
    for run in loaded.runs.values():
        frontend = run.settings["frontend"]
        points[frontend["backbone"]["hub"], frontend["n_layers"]] += 1
        assert frontend["embedding"] is False
        recipe = resolve_recipe(run.settings["recipe"])
        (stage,) = recipe.stages
        assert (stage.optimizer, stage.lr, stage.weight_decay) == ("adam", 1e-4, 1e-4)
        assert (stage.epochs, stage.patience, stage.batch_size) == (50, 10, 32)
        assert (recipe.select_by, recipe.train_crop) == ("loss", "start")
    small = ("facebook/wav2vec2-base", "facebook/hubert-base-ls960", "microsoft/wavlm-base-plus")
    large = ("facebook/wav2vec2-xls-r-300m", "facebook/hubert-large-ll60k", "microsoft/wavlm-large")
    # Seven corpora and two back-ends per encoder and depth.
    assert points == {
        **{(hub, n): 14 for hub in small for n in (2, 4, 6, 12)},
        **{(hub, n): 14 for hub in large for n in (4, 6, 8, 10, 12, 24)},
    }


def test_each_corpus_of_the_layerwise_study_has_its_own_settings():
    loaded = study("layerwise")
    expected = {
        "la19": (0.1, 64600, ["la19", "la21", "df21", "in_the_wild"]),
        "add": (0.1, 64600, ["add", "add_round2"]),
        "habla": (0.3, 64600, ["habla"]),
        "partialspoof": (0.1, None, ["partialspoof"]),
        "half_truth": (0.5, None, ["half_truth"]),
        "scenefake": (0.2, 64600, ["scenefake"]),
        "ctrsvdd": (0.15, 64600, ["ctrsvdd"]),
    }
    for corpus, (spoof, length, tests) in expected.items():
        for backend in ("ffn", "aasist"):
            run = loaded.run_of(f"wavlm_large_n10_{backend}_{corpus}")
            weights = run.settings["recipe"]["class_weights"]
            assert weights == {"bonafide": pytest.approx(1 - spoof), "spoof": spoof}
            assert run.settings["input"]["length"] == length
            assert [source["corpus"]["corpus"] for source in run.settings["data"]] == [corpus]
            assert loaded.scored_by(run.id) == [(name, "eval") for name in tests]


def test_the_detectors_that_are_explained():
    loaded = study("ig_detectors")
    assert [run.detector for run in loaded.runs.values()] == ["aasist", "ca_mhfa", "sls"]
    for run in loaded.runs.values():
        recipe = resolve_recipe(run.settings["recipe"])
        (stage,) = recipe.stages
        assert (stage.optimizer, stage.lr, stage.lr_frontend) == ("adamw", 1e-3, 1e-6)
        assert (stage.epochs, stage.batch_size * stage.accumulate) == (10, 16)
        assert recipe.select_by == "min_dcf"
        steps = run.settings["chain"]["steps"]
        assert [(step["effect"], step["probability"]) for step in steps] == [
            ("trim_silence", 0.5),
            *((effect, 0.3) for effect in ("time_mask", "codec", "rawboost", "noise_filter")),
        ]
    assert loaded.fusion_settings("all_three")["fit"] == {"corpus": "asvspoof5", "split": "dev"}


def test_the_two_stages():
    loaded = study("two_stage")
    run = loaded.run_of("two_stage")
    assert run.seeds == (42,)
    first, second = resolve_recipe(run.settings["recipe"]).stages
    assert (first.freeze_frontend, first.lr, first.batch_size) == (True, 1e-3, 32)
    assert (first.epochs, second.epochs) == (5, 10)
    assert (second.freeze_frontend, second.lr, second.batch_size) == (False, 1e-5, 16)
    assert (second.schedule, second.warmup_share, second.grad_clip) == ("linear", 0.1, 1.0)
    # The first stage alone is the other detector.
    probe = loaded.run_of("linear_probe").settings
    (alone,) = resolve_recipe(probe["recipe"]).stages
    for key in ("epochs", "lr", "weight_decay", "batch_size", "patience", "grad_clip"):
        assert getattr(alone, key) == getattr(first, key), key
    assert InputPolicy.from_dict({**InputPolicy().to_dict(), **run.settings["input"]}).hop == 32000


def test_the_tracers():
    loaded = study("source_tracing")
    assert loaded.traced_by(next(iter(loaded.tracers))) == [("mlaad", "dev"), ("mlaad", "eval")]
    named = {run.detector: run for run in loaded.tracers.values()}
    refd = named["refd"]
    assert refd.settings["objective"] == {"type": "cross_entropy", "regmixup": 0.5}
    stages = resolve_recipe(refd.settings["recipe"]).stages
    assert [(stage.epochs, stage.lr) for stage in stages] == [
        (10, 5e-4),
        (10, 2.5e-4),
        (10, 1.25e-4),
    ]
    assert {(stage.optimizer, stage.weight_decay, stage.batch_size) for stage in stages} == {
        ("adam", 5e-4, 128)
    }
    # 418,016 with 24 systems and features of size 768; the head is a linear layer.
    for tracer in (refd, named["refd_as_published"]):
        with torch.device("meta"):
            readout = backends.build(
                {**tracer.settings["backend"], "n_outputs": 0},
                n_channels=1,
                dim=768,
                n_frames=None,
            )
        head = 24 * (readout.readout_dim + 1)
        assert sum(p.numel() for p in readout.parameters()) + head == 418_016
    # Clean clips and four independent copies, of train alone.
    assert len(refd.settings["data"]) == 5
    assert [source["corpus"]["corpus"] for source in refd.settings["dev"]] == ["mlaad"]
    # As published: stacked copies of all splits.
    published = named["refd_as_published"]
    assert published.settings["recipe"] == refd.settings["recipe"]
    places = [(corpus, split) for corpus, split in loaded.traced_by(published.id)]
    assert places[:3] == [("mlaad", "dev"), ("mlaad", "eval"), ("published_reverb", "dev")]
    assert len(published.settings["data"]) == len(published.settings["dev"]) == 5
    copies = {name: loaded.copies[name] for name in loaded.copies if name.startswith("published")}
    assert {tuple(copy["splits"]) for copy in copies.values()} == {("train", "dev", "eval")}
    steps = [loaded.config["chains"][copy["chain"]] for copy in copies.values()]
    assert [step["copy"] for (step,) in steps] == ["reverb", "speech", "music", "noise"]
    ge2e = named["ge2e"]
    assert ge2e.settings["objective"] == {"type": "ge2e", "classes": 10, "clips": 4}
    assert ge2e.settings["frontend"]["backbone"]["hub"] == "facebook/wav2vec2-base-960h"
    (stage,) = resolve_recipe(ge2e.settings["recipe"]).stages
    assert (stage.lr, stage.batch_size) == (1e-4, 40)
    assert named["xlsr_statistics"].settings["objective"]["label_smoothing"] == 0.15
    # 20 coefficients of windows of 30 ms.
    lfcc = named["lfcc_gmm"].settings["frontend"]
    assert (lfcc["n_coefficients"], lfcc["win"]) == (20, 0.03 * 16000)
    nearest = named["w2v_bert_nearest"].settings
    assert nearest["objective"] == {"type": "nearest", "k": 21}
    assert nearest["frontend"]["n_layers"] == 4
    assert nearest["frontend"]["backbone"]["family"] == "w2v_bert"


def test_every_kind_of_tracer_on_a_folder_of_generators():
    """The generator that is held out is in no training and chose nothing."""
    loaded = study("generator_tracing")
    held_out = list(loaded.corpora["generators"]["only_test"])
    # Dev has another unknown one, which eval has not.
    (of_dev,) = loaded.corpora["generators"]["only_dev"]
    assert of_dev not in held_out
    for run in (*loaded.tracers.values(), *loaded.runs.values()):
        assert [source["exclude_attacks"] for source in run.settings["dev"]] == [held_out]
    tracing = loaded.config["tracing"]
    assert tracing["threshold_by"] == "known"
    assert tracing["ood"][tracing["decide_by"]]["type"] == "gate"
    assert len(tracing["ood"]["gate"]["members"]) > 1
    kinds = Counter(run.settings["objective"]["type"] for run in loaded.tracers.values())
    assert kinds == {"cross_entropy": 3, "arcface": 2} | dict.fromkeys(
        ("proxy_anchor", "sup_con", "ge2e", "nearest", "likelihoods"), 1
    )
    named = {run.detector: run.settings["objective"] for run in loaded.tracers.values()}
    assert named["sub_centres"]["centers"] == 3
    assert loaded.trained_on("balanced") == ["generators"]
    assert (named["refd"]["regmixup"], named["refd"]["bonafide"]) == (0.5, "leave_out")
    (emphasis,) = loaded.runs.values()
    assert emphasis.settings["objective"]["type"] == "oc_softmax"
    plan = plan_of(loaded)
    for table in ("tracing", "tracing_decisions", "tracing_detectors", "verification"):
        assert plan.tables.known(table) is not None, table


def test_the_planted_truth():
    """As the file and docs/explanations.md promise: each cue has a detector that knows it alone."""
    loaded = study("planted_truth")
    corpus = loaded.corpora["mini"]
    attacks = set(corpus["options"]["attacks"])
    by_training = {}
    for run in loaded.runs.values():
        (source,) = run.settings["data"]
        rates = {stage.lr for stage in resolve_recipe(run.settings["recipe"]).stages}
        if max(rates) < 1e-9:
            assert "attacks" not in source, run.detector
        by_training.setdefault(tuple(source.get("attacks", ())), []).append(run.detector)
    untrained = by_training.pop(())
    assert {attack for (attack,) in by_training} == attacks
    assert len(attacks) == 5
    assert sum(map(len, by_training.values())) == 6
    assert sorted(untrained) == ["untrained_fbank", "untrained_packets"]
    # 24 clips of 12 speakers per cue, and as few copies as give p = 0.05.
    for section in ("attribution", "masking"):
        assert loaded.config[section]["per_attack"] == 24
    assert corpus["options"]["speakers"]["eval"] == 12
    assert loaded.config["masking"]["randomised"] == 19
    assert [mask["type"] for mask in loaded.config["masking"]["masks"].values()] == ["artefact"]
    plan = plan_of(loaded)
    assert {scoring.system for scoring in plan.masking.judged_cues} == set(loaded.runs)
    for table in ("cue_use", "faithfulness", "masking", "attribution_groups"):
        assert plan.tables.known(table) is not None, table


def test_the_watermark():
    """As docs/shortcuts.md promises: trainings differ in who is marked alone, and are audited."""
    loaded = study("watermark")
    marked: dict[str, dict[str, Any]] = {}
    rest = []
    for name, entry in loaded.config["detectors"].items():
        train = dict(entry["train"])
        rest.append((train.pop("recipe"), {**entry, "train": None}))
        marked[name] = train
    assert rest == [rest[0]] * 3
    unmarked, both = [{"corpus": "speech"}], [{"corpus": "marked"}]
    fakes = {"dev": [{"corpus": "marked_fakes"}], "chain": "mark", "chain_classes": ["spoof"]}
    assert marked == {
        "without_marks": {"data": unmarked},
        "marked_fakes": {"data": unmarked, **fakes},
        "marked_both": {"data": both, "dev": both},
    }
    assert loaded.copies["marked_fakes"]["classes"] == ["spoof"]
    assert "classes" not in loaded.copies["marked"]
    assert loaded.config["chains"]["mark"] == [{"effect": "watermark"}]
    plan = plan_of(loaded)
    assert {scoring.system for scoring in plan.shortcuts.heard} == set(loaded.runs)
    assert plan.tables.known("shortcuts") is not None


WAVELETS = [
    "haar",
    *(f"{family}{n}" for family in ("sym", "db", "coif") for n in range(2, 11)),
]
# Those of LJSpeech's voice that can be trained on.
GENERATORS = ["melgan", "hifigan", "mbmelgan", "fbmelgan", "waveglow", "pwg", "lmelgan"]
GENERATORS += ["avocodo", "bigvgan", "lbigvgan"]


def test_every_wavelet_with_and_without_signs():
    loaded = study("wavelet_packets")
    points = loaded.grids["dcnn_wavelet_signs"].points
    assert [tuple(point.labels.values()) for point in points] == [
        (wavelet, signs) for wavelet in WAVELETS for signs in ("unsigned", "signed")
    ]
    for point in points:
        run = loaded.run_of(point.entry)
        frontend, backend = run.settings["frontend"], run.settings["backend"]
        assert frontend["wavelet"] == point.labels["wavelet"]
        assert frontend["sign_channel"] == (point.labels["signs"] == "signed")
        assert (frontend["level"], frontend["power"], frontend["normalise"]) == (8, 2, "global")
        assert (backend["dropout_cnn"], backend["dropout_dilated"]) == (0.6, 0.2)
        (source,) = run.settings["data"]
        assert (source["corpus"]["corpus"], source["attacks"]) == ("generators", ["fbmelgan"])
        assert run.seeds == (0, 1, 2, 3, 4)
    (stage,) = resolve_recipe(run.settings["recipe"]).stages
    assert (stage.optimizer, stage.lr, stage.weight_decay) == ("adam", 4e-4, 1e-3)
    # As many steps as published: 2,160, on 9,170 clips of a class.
    assert stage.batch_size == 512
    assert stage.epochs * (2 * 9170 // 512) == pytest.approx(2160, rel=0.03)
    second = InputPolicy.from_dict({**InputPolicy().to_dict(), **run.settings["input"]})
    windows = second.windows(torch.ones(3 * 22050 + 9).numpy())
    assert windows.starts.tolist() == [0, 22050, 44100]


def test_generators_are_trained_on_alone_and_left_out():
    loaded = study("wavelet_packets")
    for spectrum, frontend in (("sym5", "sym5_unsigned"), ("stft", "stft")):
        alone = {f"{spectrum}_on_{name}": name for name in GENERATORS if name != "fbmelgan"}
        alone[f"dcnn_{frontend}"] = "fbmelgan"
        for detector, name in alone.items():
            settings_ = settings(loaded, detector)
            assert settings_["data"][0]["attacks"] == [name]
            assert settings_["dev"] == settings_["data"]
        for name in GENERATORS:
            (source,) = settings(loaded, f"{spectrum}_without_{name}")["data"]
            # Of conformer nothing is known to anybody before the test.
            assert source["exclude_attacks"] == [name, "conformer"]
            recipe = resolve_recipe(settings(loaded, f"{spectrum}_without_{name}")["recipe"])
            assert recipe.stages[0].epochs * (10 * 9170 // 512) == pytest.approx(2160, rel=0.03)
    rows = loaded.config["generators"]["systems"]
    assert len(rows) == 43
    assert {f"{s}_without_{name}" for s in ("sym5", "stft") for name in GENERATORS} <= set(rows)
    # Fakes of the second voice are held against real speech of that voice, and select nothing.
    jsut = loaded.corpora["jsut"]
    assert jsut["only_use"] == ["jsut", "jsutmbmelgan", "jsutpwg"]
    assert jsut["bonafide"] == ["jsut"]
    assert jsut["splits"] == ["eval"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> dict[str, str]:
    """A small backbone of each family, with as many layers as the largest."""
    folders = {}
    for family in ("wav2vec2", "hubert", "wavlm"):
        folder = tmp_path_factory.mktemp(family) / "model"
        sizes = {"layers": 24, "hidden_size": 16, "heads": 2, "intermediate_size": 16}
        write_tiny_backbone(folder, family, {**sizes, "conv_dim": 8}, 1)
        folders[family] = str(folder)
    return folders


def built(run: Run, tiny: dict[str, str]) -> torch.Tensor:
    """Logits of a detector of the study, on a small backbone, for two clips of its training."""
    family = run.settings["frontend"]["backbone"]["family"]
    backbone = {"family": family, "folder": tiny[family]}
    frontend = frontends.build({**run.settings["frontend"], "backbone": backbone})
    sizes = {"n_channels": frontend.n_channels, "dim": frontend.dim, "n_frames": None}
    backend = backends.build(run.settings["backend"], **sizes)
    clip = 0.1 * torch.randn(20000).numpy()
    if "chain" in run.settings:
        chain = Chain(run.settings["chain"]["steps"], {}, 16000)
        clip, _ = chain(clip, utterance_rng(1, 0, "a"))
    window = torch.from_numpy(clip[:16000].copy())
    values, lengths = frontend(window.repeat(2, 1), torch.tensor([window.numel()] * 2))
    return backend.eval()(values, lengths)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "detectors"),
    [
        ("ig_detectors", ["aasist", "ca_mhfa", "sls"]),
        (
            "layerwise",
            [
                "wav2vec2_small_n2_ffn_la19",
                "hubert_small_n12_aasist_half_truth",
                "wavlm_large_n24_ffn_ctrsvdd",
                "wav2vec2_large_n10_aasist_habla",
            ],
        ),
        ("two_stage", ["linear_probe", "two_stage"]),
    ],
)
def test_detectors_can_be_built(name, detectors, tiny):
    loaded = study(name)
    for detector in detectors:
        run = loaded.run_of(detector)
        logits = built(run, tiny)
        assert logits.shape == (2, run.settings["backend"].get("n_outputs", 1))
        assert logits.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "detector",
    [
        *("dcnn_haar_signed", "dcnn_coif10_unsigned", "dcnn_stft"),
        *(
            f"{kind}_{input}"
            for kind in ("plain", "strided")
            for input in ("sym5", "coif4", "stft")
        ),
        *("settled_stft", "steady_sym5", "lcnn_sym5", "lcnn_stft", "lcnn_lfcc"),
        *("stft_la19", "sym5_wild_one", "sym5_wild_four"),
    ],
)
def test_detectors_on_spectra_can_be_built(detector):
    run = study("wavelet_packets").run_of(detector)
    frontend = frontends.build(run.settings["frontend"])
    length = run.settings["input"]["length"]
    assert frontend.sample_rate == run.settings["input"].get("sample_rate", 16000)
    sizes = {"n_channels": frontend.n_channels, "dim": frontend.dim}
    backend = backends.build(run.settings["backend"], **sizes, n_frames=frontend.n_frames(length))
    windows = 0.1 * torch.randn(2, length)
    raw = frontend.raw(windows, torch.tensor([length] * 2))
    frontend.fit([raw])
    logits = backend.eval()(*frontend.normalise(raw))
    assert logits.shape == (2, len(backend.outputs))
    assert logits.isfinite().all()
