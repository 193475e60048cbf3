"""The methods of a study, in sentences."""

import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from spoofscope.citations import all_citations, behind
from spoofscope.errors import DetectorError
from spoofscope.options.components import BACK_ENDS, CORPORA, EFFECTS
from spoofscope.report.methods import Paragraph, methods, stored_numbers
from spoofscope.report.written_methods import parts_of, write_methods

SPLIT = {"split": "eval", "bonafide": 7, "spoof": 30, "speakers": 4, "hours": 0.125}
SHOWN = {
    **{"name": "Net", "source": "trained", "frontend": "ssl (xlsr)", "backend": "mhfa"},
    **{"input": "4 s windows", "trained_on": ["A corpus", "a copy"]},
}
RECIPE = {
    "preset": {"name": "small", "values": {"optimizer": "adamw", "lr": 0.002, "epochs": 40}},
    "lr": 0.00001,
    "patience": None,
    "spec_augment": {"time_masks": 0},
}


@pytest.fixture
def weights(tmp_path) -> str:
    tensors = {
        "backend.linear.weight": np.zeros((3, 5), np.float32),
        "backend.linear.bias": np.zeros(3, np.float32),
        "frontend.mix": np.zeros(13, np.float32),
        "reference.mean": np.zeros(1000, np.float32),
    }
    safetensors.numpy.save_file(tensors, tmp_path / "model.safetensors")
    return str(tmp_path / "model.safetensors")


def told(weights: dict, cluster: str | None = None, resamples: int = 1000) -> dict[str, str]:
    paragraphs = methods(
        corpora=[{"name": "A corpus", "splits": [SPLIT]}],
        detectors=[SHOWN, {**SHOWN, "name": "Old", "source": "pretrained, from a/b"}],
        runs=[{"seeds": [1, 2], "settings": {"recipe": RECIPE}}, {"seeds": [0], "settings": {}}],
        weights=weights,
        fusions={
            "All": {
                **{"detectors": ["Net", "Old"], "method": "logistic"},
                "fit": {"corpus": "A corpus", "split": "dev"},
            }
        },
        bootstrap={"resamples": resamples, "cluster": cluster},
        packages={"spoofscope": "0.1.0", "python": "3.11.7", "torch": "2.11.0"},
        commit="abc",
        parts={"Detectors": ["backend:mhfa", "backend:own"], "Software": ["software"]},
    )
    return {one.heading: one.text for one in paragraphs}


def test_what_was_done_is_said(weights):
    text = told({"Net": weights})
    assert text["Data"] == (
        "A corpus: eval has 7 bona fide and 30 spoofed clips (0.12 h, speakers: 4)."
    )
    assert text["Detectors"] == (
        "Net has the front-end ssl (xlsr) and the back-end mhfa, and hears 4 s windows. Its file "
        "holds 31 numbers of the network (frontend 13, backend 18). Old was not trained here "
        "(pretrained, from a/b)."
    )
    assert text["Training"] == (
        "Net was trained on A corpus and a copy with seeds 1 and 2 (optimizer adamw, lr 1e-05, "
        "epochs 40)."
    )
    assert text["Fusion"] == "All fuses Net and Old (logistic), fitted on A corpus, dev."
    assert (
        "a prior of spoofs of 0.05, a cost of 1 of rejecting bona fide and of 10"
        in text["Evaluation"]
    )
    assert "1,000 bootstrap resamples of speakers where they are known" in text["Evaluation"]
    assert text["Software"] == (
        "All numbers were made by spoofscope 0.1.0 (commit abc), a workflow of Snakemake "
        "(doi:10.1093/bioinformatics/bts480), with python 3.11.7 and torch 2.11.0."
    )


TRACER = {
    **SHOWN,
    **{"objective": "cross_entropy", "seeds": [1], "unit": "attack", "accept_known": 0.95},
    **{"ood": ["energy", "knn"], "decide_by": "knn", "threshold_by": "eer"},
    "settings": {"objective": {"type": "cross_entropy"}, "recipe": RECIPE},
}


def told_of(tracers: list[dict]) -> dict[str, Paragraph]:
    paragraphs = methods(
        **{"corpora": [], "detectors": [], "runs": [], "weights": {}, "fusions": {}, "parts": {}},
        **{
            "tracers": tracers,
            "bootstrap": {"resamples": 0},
            "packages": {"python": "3"},
            "commit": None,
        },
    )
    return {one.heading: one for one in paragraphs}


def test_tracers_have_their_paragraphs():
    nearest = {"objective": {"type": "nearest"}, "recipe": None}
    own = {"threshold_by": "known", "ood": ["knn"], "settings": nearest, "seeds": [1, 2]}
    told = told_of([TRACER, {**TRACER, **own, "name": "Near"}])
    assert told["Source tracing"].text == (
        "Net has the front-end ssl (xlsr) and the back-end mhfa, and hears 4 s windows. Whether an "
        "attack is unknown is decided by knn (energy beside it); as many known development clips "
        "are called unknown as unknown ones known. Near has the front-end ssl (xlsr) and the "
        "back-end mhfa, and hears 4 s windows. Whether an attack is unknown is decided by knn; "
        "95 % of the known development clips are accepted. Detectors of unknown attacks are fitted "
        "on training data, and their thresholds are chosen on development data. For 95 % intervals "
        "of source tracing, whole attacks, and of bona fide clips whole speakers are drawn again."
    )
    assert told["Training of tracers"].text == (
        "Net was trained on A corpus and a copy with seed 1 (optimizer adamw, lr 1e-05, "
        "epochs 40, objective cross entropy, select by loss). Near was trained on A corpus and a "
        "copy with seeds 1 and 2 (objective nearest (k 21))."
    )
    # The objective, and not the recipe, chooses checkpoints and makes batches.
    recipe = {"preset": {"values": {"select_by": "eer", "sampler": "balanced", "batch_size": 24}}}
    given = {"recipe": recipe, "objective": {"type": "sup_con", "classes": 3, "clips": 8}}
    told = told_of([{**TRACER, "settings": given}])
    assert told["Training of tracers"].text.endswith(
        "(select by loss, batch size 24, objective sup con (classes 3, clips 8, temperature 0.1))."
    )
    mixed = {"type": "cross_entropy", "regmixup": 0.5, "bonafide": "leave_out"}
    told = told_of([{**TRACER, "settings": {"recipe": None, "objective": mixed}}])
    assert (
        "cross entropy (regmixup 0.5, bona fide clips left out)" in told["Training of tracers"].text
    )
    many = told_of([{**TRACER, "name": f"T{i}"} for i in range(5)])
    assert many["Source tracing"].rows[5][:2] == ("T4", "ssl (xlsr)")
    assert "tracers" in many["Source tracing"].text
    assert len(many["Training of tracers"].rows) == 6
    assert many["Training of tracers"].rows[0][0] == "Tracer"


def test_much_is_in_tables_and_what_is_shared_is_said_once(weights, tmp_path):
    """40 detectors, four corpora and five fusions: no paragraph is a wall of text."""
    others = [
        {**SHOWN, "name": f"Net {i}", "trained_on": ["A | B_1"], "input": "1 s windows"}
        for i in range(38)
    ]
    names = [shown["name"] for shown in others]
    own = {"optimizer": "adamw", "epochs": 3}
    out_of = {"detectors": names, "method": "logistic", "fit": {"corpus": "A", "split": "dev"}}
    paragraphs = methods(
        corpora=[{"name": f"C{i}", "splits": [SPLIT, SPLIT]} for i in range(4)],
        detectors=[SHOWN, *others, {**SHOWN, "name": "Old", "source": "external scores"}],
        runs=[
            {"seeds": [1, 2], "settings": {"recipe": RECIPE}},
            *({"seeds": [1], "settings": {"recipe": own}} for _ in others[:-1]),
            *[{"seeds": [0], "settings": {"recipe": None}}] * 2,
        ],
        weights={"Net": weights},
        fusions={f"F{i}": out_of for i in range(5)},
        bootstrap={"resamples": 0, "cluster": None},
        packages={"python": "3.11.7"},
        commit=None,
        parts={},
    )
    of = {one.heading: one for one in paragraphs}
    assert max(len(one.text) for one in paragraphs if one.heading != "Evaluation") < 250
    assert of["Data"].rows[1] == ("C0", "eval", "7", "30", "0.12", "4")
    assert len(of["Data"].rows) == 9
    table = of["Detectors"].rows
    assert len(table) == 41
    parts = ("ssl (xlsr)", "mhfa", "4 s windows", "31 (frontend 13, backend 18)")
    assert table[1] == ("Net", *parts)
    assert table[40][0] == "Old, not trained here (external scores)"
    assert of["Training"].text.endswith("The 38 with settings have in common: optimizer adamw.")
    rows = of["Training"].rows
    assert len(rows) == 40
    assert rows[1] == ("Net", "A corpus, a copy", "1, 2", "lr 1e-05, epochs 40")
    assert rows[2] == ("Net 0", "A | B_1", "1", "epochs 3")
    assert rows[39] == ("Net 37", "A | B_1", "0", "–")
    assert of["Fusion"].rows[5] == ("F4", "all 40 detectors but Net and Old", "logistic", "A, dev")

    outputs = {end: str(tmp_path / f"methods.{end}") for end in ("md", "tex", "bib")}
    write_methods(paragraphs, outputs)
    written = {end: Path(path).read_text(encoding="utf-8") for end, path in outputs.items()}
    assert "\n\n| Detector | Trained on | Seeds | Settings |\n|---|---|---|---|\n" in written["md"]
    assert "\n| Net 0 | A &#124; B_1 | 1 | epochs 3 |\n" in written["md"]
    assert "\nNet 0 & A \\textbar{} B\\_1 & 1 & epochs 3 \\\\\n" in written["tex"]
    assert written["tex"].count("\\begin{table") + written["tex"].count("\\begin{longtable}") == 4
    for label in ("data", "detectors", "training", "fusion"):
        for command in ("label", "ref"):
            assert f"\\{command}{{tab:methods-{label}}}" in written["tex"]


@pytest.mark.parametrize(
    ("cluster", "resamples", "said"),
    [
        ("none", 500, "500 bootstrap resamples of single trials"),
        ("session", 500, "500 bootstrap resamples of values of session"),
        (None, 0, "No intervals were computed."),
    ],
)
def test_what_is_resampled_is_said(cluster, resamples, said):
    assert said in told({}, cluster, resamples)["Evaluation"]


OWN = "Thresholds and calibrations are chosen on development data"
NONE = "The scores were made elsewhere; no threshold and no calibration was chosen for them"
FUSED = {"F": {"detectors": ["N0"], "method": "mean", "fit": {"corpus": "A", "split": "dev"}}}


@pytest.mark.parametrize(
    ("settings", "fusions", "said"),
    [
        ([{}, {}], {}, f"{OWN}; rates at 1 %"),
        ([{"scores": []}] * 2, {}, f"{NONE}; rates at 1 %"),
        ([{}, {"scores": []}], {}, f"{OWN}, except for scores made elsewhere, which have none;"),
        ([{"scores": []}], FUSED, f"{OWN}, except for scores made elsewhere, which have none;"),
    ],
)
def test_no_choice_is_claimed_for_scores_of_others(settings, fusions, said):
    paragraphs = methods(
        corpora=[],
        detectors=[{**SHOWN, "name": f"N{i}", "source": "x"} for i in range(len(settings))],
        runs=[{"seeds": [0], "settings": each} for each in settings],
        fusions=fusions,
        bootstrap={"resamples": 0, "cluster": None},
        **{"weights": {}, "packages": {"python": "3"}, "commit": None, "parts": {}},
    )
    text = {one.heading: one.text for one in paragraphs}["Evaluation"]
    assert said in text
    assert (OWN in text) == said.startswith(OWN)


def test_damaged_weights_are_refused(tmp_path):
    for content in (b"", b"x" * 100, (1 << 40).to_bytes(8, "little")):
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(DetectorError, match=r"model.safetensors holds no weights"):
            stored_numbers(tmp_path / "model.safetensors")


def test_papers_behind_a_study_are_cited(tmp_path):
    config = {
        "chains": {"street": [{"effect": "musan"}, {"effect": "gain"}]},
        "corpora": {"la": {"type": "asvspoof2019_la"}, "own": {"type": "folder"}},
        "backbones": {"xlsr": {"family": "wav2vec2", "hub": "facebook/wav2vec2-xls-r-300m"}},
        "bootstrap": {"resamples": 0},
    }
    runs = [{"settings": {"backend": {"type": "aasist"}}}, {"settings": {}}]
    parts = parts_of(config, runs)
    keys = {heading: [one.key for one in behind(each)] for heading, each in parts.items()}
    assert keys == {
        "Data": ["wang2020asvspoof2019", "snyder2015musan"],
        "Detectors": ["babu2022xlsr", "baevski2020wav2vec", "jung2022aasist"],
        "Evaluation": [],
        "Software": ["koester2012snakemake", "paszke2019pytorch"],
    }
    outputs = {end: str(tmp_path / f"methods.{end}") for end in ("md", "tex", "bib")}
    data = Paragraph("Data", "3 % of A_1.", behind(parts["Data"]))
    write_methods([data, Paragraph("Evaluation", "None.")], outputs)
    written = {end: Path(path).read_text(encoding="utf-8") for end, path in outputs.items()}
    assert written["md"] == (
        "**Data.** 3 % of A_1. [@wang2020asvspoof2019; @snyder2015musan]\n\n**Evaluation.** None.\n"
    )
    assert written["tex"] == (
        "\\paragraph{Data.} 3 \\% of A\\_1.~\\cite{wang2020asvspoof2019,snyder2015musan}\n\n"
        "\\paragraph{Evaluation.} None.\n"
    )
    assert written["bib"].count("\n@") == 1
    assert "  doi = {10.1016/j.csl.2020.101114},\n" in written["bib"]
    assert "journal = {Computer Speech \\& Language}" in written["bib"]


def test_every_paper_is_behind_a_part_that_studies_can_have():
    """And has a DOI, and a key of its own."""
    names = {
        "corpus": set(CORPORA),
        "backend": set(BACK_ENDS),
        "effect": set(EFFECTS),
        "backbone": {"wav2vec2", "hubert", "wavlm"},
    }
    assert len({one.key for one in all_citations()}) == len(all_citations())
    for one in all_citations():
        assert re.fullmatch(r"10\.[0-9]+/\S+", one.doi), one.key
        for part in one.parts.split():
            kind, _, name = part.partition(":")
            assert part in ("intervals", "software") or kind == "hub" or name in names[kind], part


def test_what_latex_knows_no_syllables_of_may_be_broken(tmp_path):
    commit = "0123456789abcdef" * 2 + "-1234567"
    text = f"Commit {commit}, doi 10.1109/XYZ.2023.1234567; characteristically, speaker-clustered."
    outputs = {end: str(tmp_path / f"methods.{end}") for end in ("md", "tex", "bib")}
    write_methods([Paragraph("Software", text)], outputs)
    written = Path(outputs["tex"]).read_text(encoding="utf-8")
    assert written.replace("\\allowbreak{}", "") == f"\\paragraph{{Software.}} {text}\n"
    pieces = [piece for word in written.split() for piece in word.split("\\allowbreak{}")]
    assert max(len(piece) for piece in pieces if any(map(str.isdigit, piece))) <= 16
    assert {"characteristically,", "speaker-clustered."} <= set(pieces)
