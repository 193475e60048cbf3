"""`spoofscope case`: every number against independent tools, the same bytes again, and refusals."""

import html
import json
import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from lir.algorithms.bayeserror import elub
from lir.data.models import LLRData
from lir.metrics import cllr, cllr_min
from playwright.sync_api import sync_playwright
from sklearn.calibration import calibration_curve

import case_oracles
from calibrations import calibration_of
from case_oracles import rate_interval
from folders import sha256_folder
from made_tracers import make_tracer, sound
from spoofscope import audio
from spoofscope.apps import demo
from spoofscope.apps.demo import Judge
from spoofscope.attribution import explain_recording
from spoofscope.cases import content
from spoofscope.cases.case import make_case
from spoofscope.cases.content import attacks_text, decision_rule, in_short, verbal
from spoofscope.cases.scored_sets import load_supported, scored_sets, study_of
from spoofscope.cases.validation import validate
from spoofscope.cases.windows import undecided_scores
from spoofscope.cli import main
from spoofscope.detector import Detector
from spoofscope.detector_folder import WEIGHTS
from spoofscope.files import sha256_file
from spoofscope.provenance.sidecars import sidecar_path, write_sidecar
from spoofscope.selection.calibration import Bounds, ratio_text
from spoofscope.settings import SETTINGS_FILE
from spoofscope.support import Support, Supported
from spoofscope.tables import read_manifest, write_manifest, write_scores
from spoofscope.tracing.judging import load_tracer, row_of, trace_recording
from spoofscope.windows import InputPolicy

RATE = 16000
SCALE, OFFSET, BAND = 0.5, -0.25, 0.1
QUESTION = "Is <b>this</b> genuine?"


def recorded(path, inputs):
    entries = [
        {"path": str(file), "bytes": file.stat().st_size, "sha256": sha256_file(file)}
        for file in (path, *inputs)
    ]
    record = {
        **{"rule": "score", "wildcards": {}, "parameters": {}, "code": "0" * 12, "packages": {}},
        **{"inputs": entries[1:], "outputs": entries[:1], "device": "cpu", "seconds": 1.0},
        **{"git": {"commit": None, "dirty": None}, "started": "2026-01-01T00:00:00"},
    }
    write_sidecar(sidecar_path(path), record)


def set_of(split, seed, attacks, spoof_mean=-1.5):
    """Rows of a manifest with 8 speakers, and their scores."""
    rng = np.random.default_rng(seed)
    rows, scores = [], []
    for number in range(96):
        spoof = number % 3 != 0
        rows.append(
            {
                **{"utt_id": f"{split}{number}", "path": f"{split}{number}.wav", "split": split},
                "label": "spoof" if spoof else "bonafide",
                "attack": attacks[number % len(attacks)] if spoof else "-",
                **{"speaker": f"{split}{number % 8}", "duration": 1 + number / 96},
                **{"sample_rate": RATE, "codec": "opus" if number % 4 < 2 else "-"},
            }
        )
        scores.append(rng.normal(spoof_mean if spoof else 2.0, 2.5))
    return rows, scores


def make_study(folder, attacks=("A", "B", "C", "D"), spoof_mean=-1.5):
    """A study with a detector that was not trained, and scores of it that were not computed."""
    study = folder / "results/own"
    detector = study / "detectors/lfcc-00000000/seed1"
    torch.manual_seed(0)
    made = Detector(
        {"type": "lfcc"},
        {"type": "linear"},
        InputPolicy(length=8000),
        {
            "threshold": 0.0,
            "dev": [{"manifest": "results/own/manifests/lab.tsv", "split": "dev"}],
        },
        calibration_of(SCALE, OFFSET, n=48, band=BAND, n_speakers=8),
    )
    made.meta["dev"][0] |= {"n_bonafide": 48, "n_spoof": 48}
    made.save(detector)
    sets = {
        "dev": set_of("dev", 1, ("A",)),
        "eval": set_of("eval", 2, attacks, spoof_mean),
    }
    manifest = study / "manifests/lab.tsv"
    manifest.parent.mkdir()
    write_manifest(manifest, pl.DataFrame([row for rows, _ in sets.values() for row in rows]))
    shards = study / "scores/lfcc-00000000/seed1/shards"
    shards.mkdir(parents=True)
    for split, (rows, scores) in sets.items():
        table = pl.DataFrame({"utt_id": [row["utt_id"] for row in rows], "score": scores})
        shard = shards / f"lab.{split}-1-of-1.tsv"
        for path in (shard, shards.parent / f"lab.{split}.tsv"):
            write_scores(path, table)
        recorded(shard, (detector / SETTINGS_FILE, detector / WEIGHTS, manifest))
        recorded(shards.parent / f"lab.{split}.tsv", (shard, manifest))
    return detector


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    make_study(folder)
    make_tracer(folder / "tracer")
    (folder / "new").mkdir()
    audio.write(folder / "new/b.wav", sound("B", 900), RATE)
    rng = np.random.default_rng(0)
    audio.write(folder / "a.wav", 0.1 * rng.standard_normal(20000), RATE)
    audio.write(folder / "silent.wav", np.zeros(RATE), RATE)
    return folder


def run(capsys, folder, out, *more, clip="a.wav", detector="results/own/detectors/lfcc-00000000"):
    code = main(
        [
            *("case", str(folder / clip), "--detector", str(folder / detector / "seed1")),
            *("--question", QUESTION, "--out", str(out), *map(str, more)),
        ]
    )
    return code, *capsys.readouterr()


@pytest.fixture(scope="module")
def report(folder, tmp_path_factory):
    """The report of a clip, with a tracer."""
    out = tmp_path_factory.mktemp("report") / "case"
    detector = folder / "results/own/detectors/lfcc-00000000/seed1"
    arguments = ["case", str(folder / "a.wav"), "--detector", str(detector), "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1750000000")
        traced = ("--tracer", str(folder / "tracer"), "--enrol", str(folder / "new"))
        assert main([*arguments, "--question", QUESTION, *traced]) == 0
    return out


def text_of(page):
    """The text of a page, a blank between cells."""
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(text.replace("&#39;", "'").split())


def trials(folder, split):
    """Scores and ratios of the classes, straight from the files."""
    table = pl.read_csv(folder / "results/own/manifests/lab.tsv", separator="\t")
    scores = pl.read_csv(
        folder / f"results/own/scores/lfcc-00000000/seed1/lab.{split}.tsv", separator="\t"
    )
    joined = table.join(scores, on="utt_id")
    is_bonafide = (joined["label"] == "bonafide").to_numpy()
    score = joined["score"].to_numpy()
    bound = math.log(48)
    return is_bonafide, score, np.clip(SCALE * score + OFFSET, -bound, bound), joined


@pytest.mark.slow
def test_every_number_of_the_validation(folder, report):
    """And its interval, by other code."""
    content = json.loads((report / "case.json").read_text())
    found, dev = content["validation"]
    assert [(each["split"], each["own_dev"]) for each in (found, dev)] == [
        ("eval", False),
        ("dev", True),
    ]
    is_bonafide, score, llr, joined = trials(folder, "eval")
    page = text_of((report / "case.html").read_text())
    weights = case_oracles.weights_of_resamples(joined["speaker"].to_list(), is_bonafide)
    once, speakers = np.ones(score.size), 8
    rarer = int(min(is_bonafide.sum(), (~is_bonafide).sum()))

    def expected_rate(events, of_class):
        value = float(events[of_class].mean())
        drawn = (weights * events)[:, of_class].sum(1) / weights[:, of_class].sum(1)
        return value, *rate_interval(value, drawn, int(of_class.sum()), speakers)

    def expected_bits(metric, values, losses):
        value = metric(is_bonafide, values, once)
        drawn = case_oracles.resampled(metric, is_bonafide, values, weights)
        error = case_oracles.standard_error(is_bonafide, losses)
        return value, *case_oracles.bits_interval(value, drawn, error, speakers)

    probability = 1 / (1 + np.exp(-llr))
    own = content["judgement"]["score"]
    of_bonafide = {
        "bonafide_misled": llr < 0,
        "bonafide_wrong": probability <= 0.5 - BAND,
        "bonafide_undecided": np.abs(probability - 0.5) < BAND,
        "bonafide_at_most": score <= own,
    }
    of_spoof = {
        "spoof_misled": llr > 0,
        "spoof_wrong": probability >= 0.5 + BAND,
        "spoof_undecided": np.abs(probability - 0.5) < BAND,
        "spoof_at_least": score >= own,
    }
    expected = {name: expected_rate(events, is_bonafide) for name, events in of_bonafide.items()}
    expected |= {name: expected_rate(events, ~is_bonafide) for name, events in of_spoof.items()}
    value = case_oracles.eer(is_bonafide, score, once)
    drawn = case_oracles.resampled(case_oracles.eer, is_bonafide, score, weights)
    expected["eer"] = value, *rate_interval(value, drawn, rarer, speakers)
    losses = np.log2(1 + np.exp(np.where(is_bonafide, -llr, llr)))
    expected["cllr"] = expected_bits(case_oracles.cllr, llr, losses)
    losses = case_oracles.calibrated_losses(is_bonafide, score, once)
    value, low, high = expected_bits(case_oracles.min_cllr, score, losses)
    expected["min_cllr"] = value, low, min(high, 1.0)
    numbers = {
        name: (number["value"], number["ci_low"], number["ci_high"])
        for name, number in found["numbers"].items()
    }
    assert set(numbers) == set(expected)
    for name, number in numbers.items():
        assert number == pytest.approx(expected[name], abs=1e-9), name
    for counted, of_class in ((of_bonafide, is_bonafide), (of_spoof, ~is_bonafide)):
        for name, events in counted.items():
            many, all_ = int(events[of_class].sum()), int(of_class.sum())
            _, low, high = expected[name]
            shown = f"{100 * many / all_:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
            assert f"{many} of {all_}: {shown}" in page
    value, low, high = expected["cllr"]
    assert f"{value:.3f} ({low:.3f} to {high:.3f})" in page
    bounds = found["supported"]["lower"], found["supported"]["upper"]
    assert bounds == pytest.approx(case_oracles.supported(is_bonafide, llr), abs=1e-12)
    assert f"{ratio_text(bounds[0])} to" in page
    # And by the forensic institute's own program, where it has these numbers.
    of_lir = LLRData(features=llr.reshape(-1, 1) / math.log(10), labels=is_bonafide.astype(int))
    assert numbers["cllr"][0] == pytest.approx(cllr(of_lir), abs=1e-9)
    of_scores = LLRData(features=score.reshape(-1, 1), labels=is_bonafide.astype(int))
    assert numbers["min_cllr"][0] == pytest.approx(cllr_min(of_scores), abs=1e-3)
    of_steps = elub(llr / math.log(10), is_bonafide.astype(int), step_size=1e-4)
    assert np.array(bounds) / math.log(10) == pytest.approx(of_steps, abs=2e-4)
    assert found["n_speakers"] == joined["speaker"].n_unique() == 8
    assert found["n_attacks"] == joined.filter(pl.col("attack") != "-")["attack"].n_unique()


@pytest.mark.slow
def test_the_reliability_diagram(folder, report):
    content = json.loads((report / "case.json").read_text())
    bins = pl.DataFrame(content["validation"][0]["reliability"])
    is_bonafide, _, llr, _ = trials(folder, "eval")
    probability = 1 / (1 + np.exp(-llr))
    observed, predicted = calibration_curve(is_bonafide, probability, n_bins=15)
    counts = bins["n_bonafide"] / (bins["n_bonafide"] + bins["n_spoof"])
    assert counts.to_numpy() == pytest.approx(observed)
    # Where a bin has trials of one class, weights of classes do not matter.
    alone = ((bins["n_bonafide"] == 0) | (bins["n_spoof"] == 0)).to_numpy()
    assert alone.any()
    assert bins["predicted"].to_numpy()[alone] == pytest.approx(predicted[alone])


@pytest.mark.slow
def test_the_ratio_is_that_of_predict(capsys, folder, report):
    detector = folder / "results/own/detectors/lfcc-00000000/seed1"
    main(["predict", "--detector", str(detector), str(folder / "a.wav"), "--json"])
    predicted = json.loads(capsys.readouterr().out)[0]
    content = json.loads((report / "case.json").read_text())
    assert content["judgement"] == {**predicted, "path": "a.wav"}
    llr = SCALE * predicted["score"] + OFFSET
    assert content["judgement"]["llr"] == pytest.approx(np.clip(llr, -math.log(48), math.log(48)))
    page = text_of((report / "case.html").read_text())
    assert f"{content['judgement']['log10_llr']:+.2f}" in page
    assert ratio_text(content["judgement"]["llr"]) in page
    for entry in content["inputs"]:
        assert entry["sha256"] in page
    assert content["recording"]["sha256"] == sha256_file(folder / "a.wav")
    assert content["explanation"]["controls"]["in_words"] in page
    assert content["trace"]["answer"][1:] in page
    (errors,) = content["trace"]["validation"]["said"]
    assert "this tracer is wrong is not known here: the results of its study are not" in errors
    assert errors in page
    (enrolled,) = content["trace"]["enrolled"]
    assert f"new 1 {enrolled['cosine']:.3f} -" in page
    assert sha256_file(folder / "new/b.wav") in page


def judged(capsys, detector, clip, out, *more):
    """What `predict` says of a clip: as text, as a row of a table, and as JSON."""
    command = ["predict", "--detector", str(detector), str(clip), *map(str, more)]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert main([*command, "--out", str(out / "judged.tsv")]) == 0
    row = pl.read_csv(out / "judged.tsv", separator="\t").row(0, named=True)
    capsys.readouterr()
    assert main([*command, "--json"]) == 0
    (judgement,) = json.loads(capsys.readouterr().out)
    return text, row, judgement["validation"]


@pytest.mark.slow
def test_a_ratio_that_an_eval_set_does_not_support(capsys, folder, tmp_path):
    """Here spoofs of eval score as bona fide do. Everything that gives the ratio says so."""
    detector = make_study(tmp_path, spoof_mean=2.5)
    text, row, validation = judged(capsys, detector, folder / "a.wav", tmp_path)
    (doubt,) = validation["doubts"]
    assert validation["supported"] is False
    assert "the clips of lab, eval support no ratio: on them, the detector's are no better" in doubt
    assert (row["supported"], row["doubts"]) == ("no", doubt)
    assert " no " in text.splitlines()[1]
    assert f"\nT{doubt.partition(': t')[2]}\n" in text
    code, out, _ = run(capsys, tmp_path, tmp_path / "case", clip=folder / "a.wav")
    assert code == 0
    assert "Its validation does not support this ratio" in out
    page = text_of((tmp_path / "case/case.html").read_text()).partition("What was asked")[0]
    assert doubt in page
    tracer = load_tracer(folder / "tracer")
    trace = trace_recording(tracer, folder / "a.wav", detector=load_supported(detector, None))
    assert trace["bonafide_by"]["validation"] == validation
    assert row_of(trace)["detector_doubts"] == doubt


def test_ratios_that_are_worse_than_none_are_not_supported():
    """However wide the bounds; and a rounding error makes no difference."""
    worse = Supported("lab, eval", 7, 18, Bounds(-1.0, 0.5), 1.137)
    said = Support([worse]).of(-0.5)
    assert said["supported"] is False
    assert said["doubts"] == [
        "Do not rely on the ratio of 1/1.65: the clips of lab, eval support no ratio: on them, the "
        "detector's are no better than none (Cllr 1.137, and 1 is no information)."
    ]
    (written,) = said["sets"]
    assert (written["lower"], written["upper"], written["cllr"]) == (None, None, 1.137)
    better = Support([worse._replace(cllr=0.5)])
    (written,) = better.of(-0.5)["sets"]
    assert (written["lower"], written["upper"]) == (-1.0, 0.5)
    assert better.of(-1.0000001)["supported"] is True
    assert better.of(-1.001)["supported"] is False


@pytest.mark.parametrize(("decision", "n"), [("bonafide", 1), ("inconclusive", 0)])
def test_an_answer_of_the_detector_has_its_doubts(decision, n):
    """The box "bona fide, as the detector decides" is no surer than the detector."""
    validation = Support([Supported("lab, eval", 7, 18, Bounds(-1.0, 0.2), 0.9)]).of(0.7)
    trace = {
        **{"answer": decision, "reasons": [], "tracer": "t", "n_dev": 9, "decided_by": "knn"},
        **{"ood": {"knn": {"score": 0.1, "threshold": 0.2}}, "notes": [], "family": None},
        "validation": None,
        **dict.fromkeys(("ranked", "enrolled", "nearest"), ()),
        "bonafide_by": {"decision": decision, "validation": validation},
    }
    blocks = content._tracing(SimpleNamespace(trace=trace))
    doubts = [block.text for block in blocks if "Do not rely" in getattr(block, "text", "")]
    assert doubts == validation["doubts"][:n]


def test_a_ratio_that_the_eval_sets_support(capsys, folder, tmp_path):
    detector = folder / "results/own/detectors/lfcc-00000000/seed1"
    text, row, validation = judged(capsys, detector, folder / "a.wav", tmp_path)
    assert (validation["supported"], validation["doubts"]) == (True, [])
    assert (row["supported"], row["doubts"]) == ("yes", None)
    # No doubt stands between the table and who answered.
    _, _, *below = text.splitlines()
    assert below == ["", f"By detector {row['detector']}, spoofscope {row['spoofscope']}."]


def test_a_ratio_without_validation(capsys, folder, tmp_path):
    """A copy has no study at hand, unless it is named; other scores validate nothing."""
    shutil.copytree(folder / "results/own", tmp_path / "own")
    detector = tmp_path / "own/detectors/lfcc-00000000/seed1"
    shutil.copytree(detector, tmp_path / "copy")
    text, row, validation = judged(capsys, tmp_path / "copy", folder / "a.wav", tmp_path)
    assert validation["supported"] is None
    assert (row["supported"], row["doubts"]) == ("not known", validation["doubts"][0])
    assert "not validated here: the results of its study are not at hand. Do not rely" in text
    named = ("--study", tmp_path / "own")
    *_, validation = judged(capsys, tmp_path / "copy", folder / "a.wav", tmp_path, *named)
    assert validation["supported"] is True
    manifest = tmp_path / "own/manifests/lab.tsv"
    manifest.write_text(manifest.read_text().replace("opus", "amr"))
    text, *_ = judged(capsys, detector, folder / "a.wav", tmp_path)
    assert "is of other trials than" in text
    (said,) = Judge(detector, tmp_path, tmp_path).detector.support.in_words()
    assert "validated here: scores/lfcc-00000000/seed1/lab.dev.tsv is of other trials than" in said
    assert str(tmp_path) not in said
    older = detector.rename(detector.with_name("seed1_older"))
    assert study_of(older, None) is None


def test_the_page_takes_its_study(folder, tmp_path):
    """Of a detector that lies elsewhere; and a level may have a blank."""
    shutil.copytree(folder / "results/own/detectors/lfcc-00000000/seed1", tmp_path / "copy")
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    clip = shutil.copy(folder / "a.wav", uploads)
    judge = Judge(tmp_path / "copy", uploads, tmp_path, study=folder / "results/own")
    assert judge.run == "lfcc-00000000"
    verdict, _, _, numbers = judge.one(clip, False, None, "me")
    assert numbers["validation"]["supported"] is True
    assert "doubt" not in verdict
    judge.detector.policy = InputPolicy(length=8000, long="crop")
    _, _, picture, _ = judge.one(clip, True, 1.0, "me")
    assert "No explanation: this detector hears nothing of the recording from 1 s on." in picture
    said, *files = judge.report(clip, "Is it?", "codec=o pus\n\nattack=A", None, "me")
    assert files == [None, None]
    assert "trials of codec+attack = o pus+A; did you mean" in html.unescape(said)

    def ended(_):
        raise OSError("the decoder ended")

    judge.detector.predict = ended
    said, *_ = judge.one(clip, False, None, "me")
    assert "The server failed: the decoder ended" in said


@pytest.mark.slow
def test_a_start_behind_the_end_costs_the_explanation_alone(folder, tmp_path, monkeypatch):
    """The page says what to change; verdict and report are there, with the other choices."""
    for module in (demo, explain_recording):
        limit = "LONGEST_EXPLAINED" if module is demo else "LONGEST_SECONDS"
        monkeypatch.setattr(module, limit, 1.0)
    clip = shutil.copy(folder / "a.wav", tmp_path)
    judge = Judge(folder / "results/own/detectors/lfcc-00000000/seed1", tmp_path, tmp_path)
    said, page, pdf = judge.report(clip, "Is it?", "codec=opus", 9.0, "me")
    assert "The report has no explanation. The recording lasts 1.25 s, so no passage" in said
    assert "begins at 9 s. Change “Show the passage from this second on” and ask again" in said
    text = text_of(Path(page).read_text())
    assert "Only trials under the conditions of the case count (codec=opus)" in text
    assert "There is no explanation: a.wav: the recording lasts 1.25 s" in text
    assert Path(pdf).is_file()
    said, *_ = judge.report(clip, "Is it?", "", 0.5, "me")
    assert "no explanation" not in said
    verdict, timeline, picture, numbers = judge.one(clip, False, 9.0, "me")
    assert "Score" in verdict
    assert "Click a window" in timeline
    assert "no passage of it begins at 9 s" in picture
    assert numbers["explanation"] is None


def test_a_full_disk_is_said_by_the_page(folder, tmp_path, small_disk):
    """The table is still shown, and nothing half-written is offered or left."""
    clip = shutil.copy(folder / "a.wav", tmp_path)
    detector = folder / "results/own/detectors/lfcc-00000000/seed1"
    judge = Judge(detector, tmp_path, small_disk)
    (small_disk / "filler").write_bytes(b"x" * 196_000)
    said, *files = judge.several([clip] * 20, "me")
    assert "judgements.json: the disk is full; nothing was changed" in said
    assert "a.wav" in said
    assert str(small_disk) not in said
    assert files == [None, None]
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


@pytest.mark.slow
def test_it_loads_nothing_and_what_was_asked_is_text(report):
    page = (report / "case.html").read_text()
    assert "<b>this" not in page
    assert page.count('alt="Score of each window over time"') == 1
    assert "Scores of the 3 windows" in page
    assert "Is &lt;b&gt;this&lt;/b&gt; genuine?" in page
    assert set(re.findall(r'(?:src|href)="([a-z]+:[^,]*),', page)) == {"data:image/png;base64"}
    assert "http:" not in page
    assert "https" not in page
    assert (report / "case.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.slow
def test_a_phone_shows_every_cell(report):
    """A rule of controls, and a sum of a file, are as wide as the page, and not behind its edge."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had as root.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.goto((report / "case.html").as_uri())
        beyond = page.locator("td").evaluate_all(
            "cells => cells.filter(cell => cell.getBoundingClientRect().right > innerWidth)"
            ".map(cell => cell.innerText)"
        )
        assert beyond == []
        rule = page.locator("td", has_text="passes if").first.bounding_box()
        shown = page.locator("td", has_text="passes if").first.evaluate(
            "cell => getComputedStyle(cell, '::before').content"
        )
        browser.close()
    assert rule["width"] > 300
    assert shown == '"rule"'


@pytest.mark.slow
def test_the_same_bytes_again_elsewhere(capsys, folder, report, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    shutil.copytree(folder, tmp_path / "moved")
    moved = tmp_path / "moved"
    enrolled = ("--tracer", moved / "tracer", "--enrol", moved / "new")
    code, _, err = run(capsys, moved, tmp_path / "out", *enrolled)
    assert (code, err) == (0, "")
    assert sha256_folder(tmp_path / "out") == sha256_folder(report)
    assert "2025-06-15 15:06:40 UTC" in (report / "case.html").read_text()
    assert b"/CreationDate (D:20250615150640Z)" in (report / "case.pdf").read_bytes()


def test_conditions_select_trials(folder):
    study = study_of(folder / "results/own/detectors/lfcc-00000000/seed1", None)
    calibration = calibration_of(SCALE, OFFSET, band=BAND)
    scored = scored_sets(study, calibration, ["lab"], ["codec=opus"])
    found, dev = validate(scored, calibration, 0.0)
    *_, joined = trials(folder, "eval")
    expected = joined.filter(codec="opus")
    assert found.scored.trials["utt_id"].to_list() == expected.sort("utt_id")["utt_id"].to_list()
    assert (found.n_bonafide, found.n_spoof) == (16, 32)
    assert (found.scored.own_dev, dev.scored.own_dev) == (False, True)


@pytest.mark.slow
def test_no_ratio_and_no_study(capsys, folder, tmp_path):
    """A recording that cannot be judged, by a detector that lies elsewhere."""
    shutil.copytree(folder / "results/own/detectors/lfcc-00000000/seed1", tmp_path / "copy/seed1")
    shutil.copy(folder / "silent.wav", tmp_path)
    arguments = {"clip": "silent.wav", "detector": "copy"}
    code, said, _ = run(capsys, tmp_path, tmp_path / "out", **arguments)
    assert code == 0
    assert "No likelihood ratio is given" in said
    page = text_of((tmp_path / "out/case.html").read_text())
    assert "The ratio is withheld" in page
    assert "There is no explanation" in page
    assert "Likelihood ratio, H1 over H2" not in page
    assert "This detector is not validated here: its errors are not known." in page
    home = study_of(tmp_path / "copy/seed1", folder / "results/own")
    assert (home.run, home.seed) == ("lfcc-00000000", 1)


def refused(capsys, folder, out, *more, **other):
    code, said, err = run(capsys, folder, out, *more, **other)
    assert (code, said) == (2, "")
    assert not out.exists()
    return err


@pytest.mark.parametrize(
    ("split", "own"),
    [("dev", {"eval": False, "dev": True}), ("eval", {"eval": True})],
)
def test_another_study_trained_on_these_clips_by_another_name(tmp_path, split, own):
    """What a detector was calibrated on validates nothing, whatever each study calls it."""
    folder = make_study(tmp_path)
    study = folder.parent.parent.parent
    trained = Detector.load(folder)
    trained.meta["dev"] = [
        {
            **{"manifest": "results/theirs/manifests/clips.tsv", "split": split},
            **{"sha256": sha256_file(study / "manifests/lab.tsv"), "n_bonafide": 1, "n_spoof": 1},
        }
    ]
    shutil.rmtree(folder)
    trained.save(folder)
    for shard in (study / "scores/lfcc-00000000/seed1/shards").glob("*.tsv"):
        files = (folder / SETTINGS_FILE, folder / WEIGHTS, study / "manifests/lab.tsv")
        recorded(shard, files)
    sets = scored_sets(study_of(folder, None), trained.calibration)
    assert {each.split: each.own_dev for each in sets} == own


def manifest_of_theirs(folder, trained, manifest, split="dev"):
    """A study that trained the detector: its manifest, and the detector that names it."""
    theirs = folder / "results/theirs/manifests/clips.tsv"
    theirs.parent.mkdir(parents=True)
    write_manifest(theirs, manifest)
    trained.meta["dev"] = [
        {
            **{"manifest": "results/theirs/manifests/clips.tsv", "split": split},
            **{"sha256": sha256_file(theirs), "n_bonafide": 1, "n_spoof": 1},
        }
    ]
    study = folder / "results/own"
    detector = study / "detectors/lfcc-00000000/seed1"
    shutil.rmtree(detector)
    trained.save(detector)
    for shard in (study / "scores/lfcc-00000000/seed1/shards").glob("*.tsv"):
        files = (detector / SETTINGS_FILE, detector / WEIGHTS, study / "manifests/lab.tsv")
        recorded(shard, files)
    for split in ("dev", "eval"):
        scores = study / f"scores/lfcc-00000000/seed1/lab.{split}.tsv"
        shard = scores.parent / f"shards/lab.{split}-1-of-1.tsv"
        recorded(scores, (shard, study / "manifests/lab.tsv"))
    return study_of(detector, None)


def theirs_of(clips, hashes):
    """Clips of the eval set in a manifest of other splits, columns and order."""
    rows, _ = set_of("eval", 2, ("A", "B", "C", "D"))
    rows = [{**row, "split": "dev", "path": f"x/{row['path']}", "room": "3"} for row in rows]
    if hashes:
        rows = [{**row, "utt_id": f"other{n}", "sha256": f"{n:064}"} for n, row in enumerate(rows)]
    return pl.DataFrame(rows[:clips][::-1])


def with_hashes(study):
    """The clips of the eval set have the hashes of `theirs_of`."""
    manifest = study / "manifests/lab.tsv"
    rows = read_manifest(manifest)
    hashes = [
        f"{int(name.removeprefix('eval')):064}" if name.startswith("eval") else "f" * 64
        for name in rows["utt_id"]
    ]
    write_manifest(manifest, rows.with_columns(sha256=pl.Series(hashes)))


def calibrated_on(folder, n, hashes):
    """A study whose detector was calibrated on `n` clips of its eval set; and the detector."""
    trained = Detector.load(make_study(folder))
    if hashes:
        with_hashes(folder / "results/own")
    return manifest_of_theirs(folder, trained, theirs_of(n, hashes)), trained


@pytest.mark.parametrize("hashes", [False, True], ids=["names", "hashes"])
def test_the_clips_of_the_calibration_in_another_manifest(tmp_path, hashes):
    """Other splits, columns, order and, with hashes, other names: the clips are the same."""
    study, trained = calibrated_on(tmp_path, 96, hashes)
    (found,) = scored_sets(study, trained.calibration)
    assert (found.own_dev, found.name) == (True, "lab, eval, used for calibration")


@pytest.mark.parametrize("hashes", [False, True], ids=["names", "hashes"])
def test_some_clips_of_an_eval_set_calibrated_the_detector(tmp_path, hashes):
    """They are no trials, and are counted where the set is named."""
    study, trained = calibrated_on(tmp_path, 12, hashes)
    (found,) = scored_sets(study, trained.calibration)
    name = "lab, eval, without 12 of 96 clips, which were used for calibration"
    assert (found.own_dev, found.name) == (False, name)
    assert set(found.trials["utt_id"]) == {f"eval{number}" for number in range(12, 96)}
    (opus,) = scored_sets(study, trained.calibration, ["lab"], ["codec=opus"])
    assert (opus.left_out, opus.trials.height) == (6, 42)


def test_a_clip_of_the_same_name_is_another_one_by_its_hash(tmp_path):
    trained = Detector.load(make_study(tmp_path))
    with_hashes(tmp_path / "results/own")
    others = theirs_of(96, False).with_columns(sha256=pl.col("utt_id").str.pad_start(64, "e"))
    study = manifest_of_theirs(tmp_path, trained, others)
    (found,) = scored_sets(study, trained.calibration)
    assert (found.own_dev, found.name) == (False, "lab, eval")


def test_nobody_knows_which_clips_calibrated_a_detector(tmp_path):
    """Its manifest is not at hand, or is another one now."""
    trained = Detector.load(make_study(tmp_path))
    study = manifest_of_theirs(tmp_path, trained, theirs_of(96, False))
    write_manifest(tmp_path / "results/theirs/manifests/clips.tsv", theirs_of(95, False))
    (found,) = scored_sets(study, trained.calibration)
    said = "lab, eval (whether its clips were used for calibration is not known)"
    assert (found.own_dev, found.name) == (False, said)
    shutil.rmtree(tmp_path / "results/theirs")
    (found,) = scored_sets(study, trained.calibration)
    assert found.name == said


def test_a_detector_that_was_copied_into_another_study(folder, tmp_path):
    """It lies there, and nobody has scored it there; the words say where to look."""
    copied = tmp_path / "results/other/detectors/lfcc-00000000/seed1"
    shutil.copytree(folder / "results/own/detectors/lfcc-00000000/seed1", copied)
    (tmp_path / "results/other/scores").mkdir()
    (doubt,) = load_supported(copied, None).support.in_words()
    assert "the study at hand has scored no eval set with it" in doubt
    assert "if it was copied from another study, name the results of that one" in doubt


def test_scores_of_another_detector_or_of_other_trials(capsys, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    scores = tmp_path / "copy/results/own/scores/lfcc-00000000/seed1"
    detector = tmp_path / "copy/results/own/detectors/lfcc-00000000/seed1"
    retrained = Detector.load(detector)
    retrained.calibrate(calibration_of(0.7, band=BAND))
    before = (scores / "lab.eval.tsv").read_text()
    (scores / "lab.eval.tsv").write_text(before.replace("1", "2"))
    assert "is not the file that the study made" in refused(
        capsys, tmp_path / "copy", tmp_path / "out"
    )
    (scores / "lab.eval.tsv").write_text(before)
    shutil.rmtree(detector)
    retrained.save(detector)
    said = refused(capsys, tmp_path / "copy", tmp_path / "out")
    assert "another detector than the one that is in detectors/lfcc-00000000/seed1 now" in said
    assert "if that was copied there from another study, name the results of that one" in said
    sidecar_path(scores / "shards/lab.dev-1-of-1.tsv").unlink()
    assert "lab.dev-1-of-1.tsv.origin.json is missing" in refused(
        capsys, tmp_path / "copy", tmp_path / "out"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--condition", "codec=mp3"), "valid are: -, opus"),
        (("--condition", "codec"), "write a column and a level"),
        (("--corpus", "labs"), "'lab'"),
        (("--study", "nowhere"), "no detector of this study"),
        (("--enrol", "new"), "add --tracer"),
        (("--calibration", "x.json"), "add --enrol"),
        (("--passage", "2", "3"), "no passage of it"),
    ],
)
def test_what_cannot_be_validated(capsys, folder, tmp_path, arguments, words):
    assert words in refused(capsys, folder, tmp_path / "out", *arguments)


def test_nothing_is_lost(capsys, folder, tmp_path, monkeypatch):
    (tmp_path / "notes.txt").write_text("mine")
    code, _, err = run(capsys, folder, tmp_path)
    assert code == 2
    assert "name a new folder" in err
    assert "no such recording" in refused(capsys, folder, tmp_path / "out", clip="none.wav")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert "whole number of seconds" in refused(capsys, folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.9, "no support for one"),
        (2, "weak support for the proposition that the recording is bona fide"),
        (10, "moderate support"),
        (1 / 150, "moderately strong support for the proposition that the recording is a spoof"),
        (1e3, "strong support"),
        (2e3, "strong support"),
    ],
)
def test_words_of_a_ratio(ratio, words):
    # The logarithm of 1,000 is rounded down.
    assert verbal(math.log(ratio)).startswith(words)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1, "1"),
        (0.9999, "1"),
        (48, "48"),
        (1 / 7.126, "1/7.13"),
        (999.6, "1,000"),
        (1 / 12345, "1/12,300"),
        (2.5e12, "2.5e+12"),
    ],
)
def test_ratios_are_written_with_three_digits(ratio, text):
    assert ratio_text(math.log(ratio)) == text


def test_a_result_is_never_once_as_probable(folder, tmp_path):
    """Of a detector that supports no ratio, and of which nobody knows the errors."""
    detector = Detector.load(folder / "results/own/detectors/lfcc-00000000/seed1")
    detector.calibrate({**detector.calibration, "lower": 0.0, "upper": 0.0})
    detector.save(tmp_path / "seed1")
    said = in_short(make_case(detector, tmp_path / "seed1", folder / "a.wav", QUESTION))
    assert said == (
        "Such a result is as probable if the recording is bona fide speech as if it is a spoof, "
        "says the detector, which is not validated here."
    )


def test_a_decision_is_at_the_prior_of_the_calibration():
    assert decision_rule(calibration_of()) == "at equal prior odds"
    assert decision_rule(calibration_of(prior=0.655)) == "at a prior of 0.655 for bona fide"


def test_scores_without_a_decision(folder):
    """Between them; where the ratios' bounds reach no edge, or every score decides alike."""
    detector = Detector.load(folder / "results/own/detectors/lfcc-00000000/seed1")
    for prior, n in ((0.5, 48), (0.95, 48), (0.95, 20), (0.95, 4), (0.05, 4), (0.5, 1)):
        detector.calibrate(calibration_of(SCALE, OFFSET, prior, n, band=BAND))
        low, high = undecided_scores(detector)
        for score in np.linspace(-60, 60, 241):
            assert (low < score < high) == (detector.decide(float(score)) == "inconclusive")


def test_attacks_that_a_corpus_does_not_name_are_not_counted(tmp_path):
    study = study_of(make_study(tmp_path, ("A", "unknown")), None)
    calibration = calibration_of(SCALE, OFFSET, band=BAND)
    found, dev = validate(scored_sets(study, calibration), calibration, 0.0)
    assert (found.n_attacks, dev.n_attacks) == (None, 1)
    texts = [attacks_text(n) for n in (None, 1, 4)]
    assert texts == ["attacks not known", "1 attack", "4 attacks"]


def test_a_ratio_on_both_edges_is_called_bona_fide_as_by_the_detector(folder):
    """Without a band, and where the trials support no ratio but 1, every clip is on the edge."""
    calibration = {**calibration_of(SCALE, OFFSET, band=0.0), "lower": 0.0, "upper": 0.0}
    study = study_of(folder / "results/own/detectors/lfcc-00000000/seed1", None)
    for each in validate(scored_sets(study, calibration), calibration, 0.0):
        wrong, accepted, *undecided = (
            each.measured[name]
            for name in ("bonafide_wrong", "spoof_wrong", "bonafide_undecided", "spoof_undecided")
        )
        assert (wrong.value, accepted.value) == (0, 1)
        assert [(rate.value, rate.interval.low) for rate in undecided] == [(0, 0), (0, 0)]
        assert max(rate.interval.high for rate in undecided) < 1
