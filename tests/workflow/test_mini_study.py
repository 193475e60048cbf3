"""The mini study as a user runs it: complete, fresh afterwards, and consistent with itself."""

import json
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from checkout import ROOT, Checkout

from spoofscope.attribution.store import Attributions
from spoofscope.files import sha256_file
from spoofscope.labelling.pack import Pack
from spoofscope.selection.operating_points import eer
from spoofscope.tables import read_manifest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def table(study: Checkout, pattern: str) -> pl.DataFrame:
    """All tables of a pattern below results/mini, one below the other."""
    paths = sorted((study.folder / "results/mini").glob(pattern))
    assert paths, pattern
    return pl.concat(
        [
            pl.read_csv(path, separator="\t", infer_schema=False).with_columns(
                pl.lit(str(path.relative_to(study.folder))).alias("file")
            )
            for path in paths
        ],
        how="diagonal",
    )


@pytest.fixture(scope="module")
def sidecars(mini) -> list[dict]:
    found = [json.loads(path.read_text()) for path in mini.folder.rglob("*.origin.json")]
    assert found
    return found


def test_every_target_exists(mini):
    listing = mini.make("--summary").splitlines()
    rows = [line.split("\t") for line in listing if "\t" in line][1:]
    missing = [row[0] for row in rows if not (mini.folder / row[0]).is_file()]
    # Score shards are thrown away when they have been joined.
    assert all("/shards/" in path for path in missing), missing
    results = mini.folder / "results/mini"
    assert (results / "report/index.html").is_file()
    config = yaml.safe_load((mini.folder / "config/config.yaml").read_text())
    trained = sum(len(entry.get("seeds", [1])) for entry in config["detectors"].values())
    assert len(list(results.glob("detectors/*/seed*/model.safetensors"))) == trained
    systems = trained + len(config["fusion"])
    assert len(list(results.glob("metrics/*/seed*/mini.eval.tsv"))) == systems


def test_nothing_to_do_afterwards(mini, capsys):
    started = time.monotonic()
    text = mini.make("all", start=True)
    full = time.monotonic() - started
    assert "Nothing to be done" in text
    started = time.monotonic()
    assert "Nothing to be done" in mini.make("-n", "all", start=True)
    dry = time.monotonic() - started
    with capsys.disabled():
        print(f"\nmini study, all fresh: {full:.1f} s, dry run {dry:.1f} s")
    assert full < 60
    assert dry < 30


def test_sidecars_tell_the_files(mini, sidecars):
    for sidecar in sidecars:
        for entry in sidecar["outputs"]:
            path = mini.folder / entry["path"]
            if "/shards/" in entry["path"]:
                continue
            assert path.stat().st_size == entry["bytes"], path
            assert sha256_file(path) == entry["sha256"], path
        assert sidecar["code"] == sidecar["parameters"]["code"]
        assert len(sidecar["git"]["commit"]) == 40
        assert sidecar["git"]["dirty"] is False


def test_inputs_were_outputs(sidecars):
    """Every input of a job is the very file that another job made."""
    made = {entry["path"]: entry["sha256"] for s in sidecars for entry in s["outputs"]}
    used = {(entry["path"], entry["sha256"]) for s in sidecars for entry in s["inputs"]}
    assert len(used) > 100
    assert {path for path, _ in used} <= set(made)
    assert all(made[path] == sha256 for path, sha256 in used)


def test_audit_finds_only_what_was_planted(mini):
    audit = table(mini, "audits/mini.tsv")
    assert set(audit["status"]) == {"ok", "planted", "warn"}
    # The three attacks that are kept for eval on purpose are no cue, but have to be said.
    warned = audit.filter(status="warn")
    assert set(warned["item"]) == {"attacks"}
    assert set(warned["attack"]) == {"phase_smear", "quantised_envelope", "over_smoothed"}
    assert audit.height > 50
    # The chain treats both classes alike.
    copies = table(mini, "audits/mini_field.tsv")
    assert set(copies["status"]) == {"ok"}
    assert {"clipped", "level", "duration"} <= set(copies.filter(check="copies")["item"])


def test_silences_are_found_where_they_were_planted(mini):
    found = table(mini, "alignments/pauses/mini.eval.tsv")
    clips = table(mini, "alignments/pauses/mini.eval.clips.tsv")["utt_id"]
    planted = table(mini, "segments/mini.tsv").filter(
        pl.col("utt_id").is_in(clips.implode()), tier="silence"
    )
    pairs = planted.join(found, on="utt_id", suffix="_found").with_columns(
        pl.col(edge).cast(pl.Float64) for edge in ("start", "end", "start_found", "end_found")
    )
    overlap = pl.min_horizontal("end", "end_found") - pl.max_horizontal("start", "start_found")
    pairs = pairs.filter(overlap > 0)
    assert pairs.unique(["utt_id", "start"]).height > 0.9 * planted.height
    assert pairs.unique(["utt_id", "start_found"]).height > 0.98 * found.height
    late = (pairs["end_found"] - pairs["end"]).filter(pairs["label"] != "trailing").abs()
    assert late.median() < 0.03
    page = (ROOT / "docs/alignment.md").read_text(encoding="utf-8")
    head = (mini.folder / "results/mini/alignments/pauses/mini.eval.tsv").read_text().split("\n")
    assert "\n".join(["$ head -4 results/mini/alignments/pauses/mini.eval.tsv", *head[:4]]) in page
    # Level says nothing about the class, as everything that was not planted.
    areas = table(mini, "tables/alignment.tsv").filter(attack="pooled")["auc"].cast(pl.Float64)
    assert ((areas - 0.5).abs() < 0.1).all()


def test_command_line_agrees_with_metrics(mini):
    """Two ways to the same numbers: the rule, and `spoofscope metrics` on its score file."""
    metrics = table(mini, "metrics/*/seed*/mini.eval.tsv")
    pooled = metrics.filter(pl.col("condition") == "pooled")
    trials = mini.folder / "trials.tsv"
    manifest = table(mini, "manifests/mini.tsv").filter(pl.col("split") == "eval")
    manifest.drop("file").write_csv(trials, separator="\t")
    for (file,), rows in pooled.group_by("file"):
        scores = str(file).replace("/metrics/", "/scores/")
        done = mini.spoofscope(
            "metrics", "--scores", scores, "--trials", str(trials), "--by", "attack", "--json"
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        wanted = {row["metric"]: float(row["value"]) for row in rows.iter_rows(named=True)}
        for name in ("eer", "min_dcf", "act_dcf", "cllr", "min_cllr", "auc"):
            assert said["pooled"][name] == pytest.approx(wanted[name], abs=1e-12), (file, name)
        by_attack = metrics.filter(
            (pl.col("file") == file)
            & (pl.col("condition") == "attack")
            & (pl.col("metric") == "eer")
            & (pl.col("level") != "(macro average)")
        )
        assert by_attack.height == len(said["by"]) > 5
        for row in by_attack.iter_rows(named=True):
            assert said["by"][row["level"]]["eer"] == pytest.approx(float(row["value"]))
    trials.unlink()


def test_headline_is_taken_from_the_metrics(mini):
    metrics = table(mini, "metrics/*/seed*/mini.*.tsv")
    eers = metrics.filter((pl.col("condition") == "pooled") & (pl.col("metric") == "eer"))
    mean = eers.group_by("system", "split").agg(pl.col("value").cast(pl.Float64).mean())
    wanted = {
        (row["system"].rsplit("-", 1)[0], row["split"]): row["value"]
        for row in mean.iter_rows(named=True)
    }
    headline = table(mini, "tables/headline.tsv")
    said = {
        (row["name"], row["split"]): float(row["eer"]) for row in headline.iter_rows(named=True)
    }
    assert said == pytest.approx(wanted)


def test_generators_in_the_matrix_have_the_rates_of_the_metrics(mini):
    matrix = table(mini, "tables/generator_matrix.tsv")
    metrics = pl.concat(
        table(mini, f"metrics/{name}/seed1/mini.eval.tsv") for name in ("fbank_cnn*", "lfcc_gmm*")
    )
    eers = metrics.filter(pl.col("condition").is_in(["attack", "pooled"]), metric="eer").select(
        pl.col("system").str.replace("-[0-9a-f]{8}$", ""),
        pl.when(condition="pooled").then(pl.lit("pooled")).otherwise("level"),
        pl.col("value").cast(pl.Float64),
    )
    wanted = {row[:2]: row[2] for row in eers.rows() if row[1] != "(macro average)"}
    cells = matrix.filter(~pl.col("generator").str.starts_with("("))
    said = cells.select("name", "generator", pl.col("eer").cast(pl.Float64)).rows()
    assert {row[:2]: row[2] for row in said} == wanted
    trained = table(mini, "manifests/mini.tsv").filter(split="train")
    known = cells.filter(relation="trained on").group_by("name").agg("generator")
    assert {name: sorted(generators) for name, generators in known.rows()} == {
        "fbank_cnn": sorted(set(trained["attack"]) - {"-"}),
        "lfcc_gmm": sorted(set(trained["attack"]) - {"-"}),
        "lfcc_gmm_vocoders": ["griffin_lim", "upsampling"],
    }
    page = (mini.folder / "results/mini/report/index.html").read_text()
    assert 'id="generators"' in page


def test_the_report_says_what_every_detector_has_taken(mini):
    costs = table(mini, "benchmarks/costs.tsv")
    for stage in ("train", "score"):
        assert {"lfcc_gmm", "wavlm_mhfa"} <= set(costs.filter(stage=stage)["name"])
    assert (costs["hours"].cast(pl.Float64) > 0).all()
    page = (mini.folder / "results/mini/report/index.html").read_text()
    section = page.partition('<section id="costs">')[2].partition("</section>")[0]
    assert section.count("<tr>") == costs.unique(["run", "seed"]).height + 1


def test_attributions_are_complete_or_listed(mini):
    summary = table(mini, "attributions/*/seed*/mini.summary.tsv")
    assert summary["relative_error"].null_count() == 0
    for row in summary.iter_rows(named=True):
        assert row["converged"] in ("true", "false")
        if row["converged"] == "true":
            assert float(row["relative_error"]) < 0.05
    report = (mini.folder / "results/mini/report/index.html").read_text()
    for utterance in summary.filter(pl.col("converged") == "false")["utt_id"]:
        assert utterance in report


def test_planted_lines_are_in_the_fingerprint_and_no_chance(mini):
    stability = table(mini, "fingerprints/mini.stability.tsv")
    for structure in ("whole", "fine"):
        own = stability.filter(structure=structure).filter(pl.col("generator") == pl.col("other"))
        chance = own.filter(generator="bonafide").row(0, named=True)
        lines = own.filter(generator="upsampling").row(0, named=True)
        assert float(lines["p"]) == 0.005
        assert float(lines["pearson_low"]) > float(chance["pearson_high"])
        assert float(chance["pearson_low"]) < 0 < float(chance["pearson_high"])
    shown = table(mini, "figures/fingerprint_differences.tsv").filter(
        generator="upsampling", spectrum="packets"
    )
    shown = shown.with_columns(pl.col("hz", "mean").cast(pl.Float64))
    for line in range(1000, 8000, 1000):
        around = shown.filter((pl.col("hz") - line).abs() < 300)
        lowest = around["hz"][around["mean"].arg_min()]
        assert abs(lowest - line) < 16, line
    sounds = table(mini, "fingerprints/mini.sounds.tsv")
    page = (mini.folder / "results/mini/report/index.html").read_text()
    assert page.count('src="data:audio/flac') >= sounds.height == 20


def test_mean_attributions_add_up(mini):
    attacks = set(table(mini, "metrics/*/seed1/mini.eval.tsv").filter(condition="attack")["level"])
    spoofs = attacks - {"-", "(macro average)"}
    attributions = mini.folder / "results/mini/attributions"
    detectors = sorted(attributions.glob("*/seed1/*.mean.summary.tsv"))
    assert len(detectors) == 2
    for path in detectors:
        means_of_one_detector_add_up(mini, path.parent, spoofs)


def means_of_one_detector_add_up(mini, folder, spoofs):
    place = folder.relative_to(mini.folder / "results/mini")
    summary = table(mini, f"{place}/mini.eval.mean.summary.tsv")
    bands = table(mini, f"{place}/mini.eval.mean.bands.tsv")
    assert set(summary["attack"]) - {"-"} == spoofs
    for row in summary.iter_rows(named=True):
        own = bands.filter((pl.col("group") == row["group"]) & (pl.col("attack") == row["attack"]))
        total = own["attribution"].cast(pl.Float64).sum()
        output, baseline, delta = (float(row[k]) for k in ("output", "baseline_output", "delta"))
        assert total == pytest.approx(output - baseline + delta, abs=1e-5)
        assert float(own["high"][-1]) == 8000
    counts = dict(summary.select("group", "n_windows").unique("group").iter_rows())
    assert int(counts["bonafide"]) + int(counts["spoof"]) == int(counts["both"])


def test_clips_that_are_exported_are_disagreed_about(mini):
    listed = table(mini, "disagreements/packets_dcnn_not_lfcc_gmm.tsv")
    counts = table(mini, "disagreements/packets_dcnn_not_lfcc_gmm.counts.tsv")
    of_all = counts.row(by_predicate=pl.col("label") == "all", named=True)
    assert listed.height == int(of_all["only_right"]) > 0
    for row in listed.iter_rows(named=True):
        bonafide = row["label"] == "bonafide"
        for role, right in (("right", True), ("wrong", False)):
            accepted = float(row[f"score_{role}"]) >= float(row[f"threshold_{role}"])
            assert (accepted == bonafide) == right
    exported = listed.filter(pl.col("audio") != "-")
    assert exported.height == min(4, listed.height)
    for path in exported["audio"]:
        assert (mini.folder / path).stat().st_size > 1000


TRAINED = ("griffin_lim", "upsampling", "digital_silence", "buzz", "splice", "band_limit")


def test_every_detector_has_learned_and_the_best_finds_nearly_all(mini):
    """What a newcomer sees first is true: detectors work on what they were trained on."""
    metrics = table(mini, "metrics/*/seed1/mini.eval.tsv").filter(
        pl.col("metric") == "eer", pl.col("condition").is_in(["attack", "codec"])
    )
    metrics = metrics.with_columns(pl.col("value", "ci_high").cast(pl.Float64, strict=False))
    config = yaml.safe_load((mini.folder / "config/config.yaml").read_text())
    for (system,), rows in metrics.group_by("system"):
        name = str(system).rsplit("-", 1)[0]
        entry = config["detectors"].get(name, {"train": {"data": [{}]}})
        trained = entry["train"]["data"][0].get("attacks", TRAINED)
        learned = rows.filter(pl.col("level").is_in(trained) & (pl.col("ci_high") < 0.5))
        assert learned.height >= 2, name
    best = dict(
        metrics.filter(pl.col("system").str.starts_with("fbank_cnn"))
        .select("level", "value")
        .iter_rows()
    )
    unseen = [best[name] for name in ("phase_smear", "quantised_envelope", "over_smoothed")]
    assert min(unseen) > max(best[name] for name in TRAINED)
    (scores,) = (mini.folder / "results/mini/scores").glob("fbank_cnn-*/seed1/mini.eval.tsv")
    manifest = read_manifest(mini.folder / "results/mini/manifests/mini.tsv")
    joined = manifest.join(pl.read_csv(scores, separator="\t"), on="utt_id")
    known = joined.filter((pl.col("label") == "bonafide") | pl.col("attack").is_in(TRAINED))
    plain, coded = known.filter(codec="-"), known.filter(pl.col("codec") != "-")
    assert error_rate(known) < 0.1
    assert error_rate(coded) > error_rate(plain) + 0.1


def error_rate(scored):
    bonafide, spoofs = (scored.filter(label=label)["score"] for label in ("bonafide", "spoof"))
    return eer(bonafide.to_numpy(), spoofs.to_numpy()).value


def test_attributions_point_at_the_planted_cue(mini):
    """The strongest frames lie in the artefact more often than frames drawn at random."""
    localisation = table(mini, "attributions/*/seed*/mini.localisation.tsv")
    own = localisation.filter(pl.col("n").cast(pl.Int64) > 0)
    assert (own["n"].cast(pl.Int64) >= 12).all()
    pooled = own.filter(attack="all", axis="time", metric="pointing").with_columns(
        pl.col("ci_low", "chance").cast(pl.Float64)
    )
    above = pooled.filter(pl.col("ci_low") > pl.col("chance"))
    found = {str(file).split("/")[3].rsplit("-", 1)[0] for file in above["file"]}
    assert {"fbank_cnn", "hubert_linear"} <= found


def test_localisation_has_data(mini):
    localisation = table(mini, "attributions/*/seed*/mini.localisation.tsv")
    assert localisation["file"].n_unique() == 3
    pooled = localisation.filter(attack="all")
    # Only the filter bank has bands.
    assert sorted(pooled.unique(["file", "axis"])["axis"]) == ["band", "time", "time", "time"]
    assert (pooled["n"].cast(pl.Int64) > 0).all()
    # Every clip is counted: localised, or with an artefact that is everywhere or nowhere.
    counted = localisation.select(pl.sum_horizontal(pl.col("^n.*$").cast(pl.Int64)))
    assert (counted.to_series() > 0).all()


def test_scores_again_are_the_same_bytes(mini, tmp_path):
    study = mini.copy(tmp_path / "checkout")
    (folder,) = (study.folder / "results/mini/scores").glob("hubert_linear-*")
    before = {path: path.read_bytes() for path in folder.rglob("*.tsv")}
    assert len(before) == 2
    for path in before:
        path.unlink()
    study.make(*(str(path.relative_to(study.folder)) for path in before))
    assert {path: path.read_bytes() for path in before} == before


def test_no_absolute_path_in_results(mini):
    """Results can be moved and compared: no table or page names this machine's folders."""
    here = str(Path(mini.folder).parent)
    for path in (mini.folder / "results").rglob("*"):
        if path.suffix in (".tsv", ".json", ".html", ".md") and path.is_file():
            assert here not in path.read_text(), path


def test_a_detector_follows_the_cue_that_was_planted_in_its_training(mini):
    """Of two detectors, one was trained on spoofs without high frequencies; none on offsets."""
    cues = table(mini, "tables/shortcuts.tsv")
    verdicts = {(row["name"], row["cue"]): row["verdict"] for row in cues.iter_rows(named=True)}
    assert verdicts == {
        ("fbank_cnn", "band_limit"): "uses the cue",
        ("fbank_cnn", "offset"): "no evidence",
        ("lfcc_gmm_vocoders", "band_limit"): "no evidence",
        ("lfcc_gmm_vocoders", "offset"): "no evidence",
    }
    put = cues.filter(name="fbank_cnn", cue="band_limit", test="put").row(0, named=True)
    assert float(put["rate"]) > 0.8, put
    assert float(put["excess_low"]) > 0.2, put
    report = (mini.folder / "results/mini/report/index.html").read_text(encoding="utf-8")
    assert "fbank_cnn uses a shortcut: its decisions follow the cue band_limit." in report
    assert "Not removable" in report[report.index('<h2 id="shortcuts">') :]


def test_a_detector_of_high_frequencies_does_not_withstand_resampling(mini):
    """It was trained on spoofs that lack them; at its threshold, nothing is bona fide any more."""
    rates = table(mini, "tables/robustness.tsv").filter(name="fbank_cnn", chain="rate_8k")
    at = dict(rates.select("metric", pl.col("value").cast(float)).iter_rows())
    assert at["bonafide_rejected"] > 0.8, at
    worst = table(mini, "tables/robustness.worst.tsv").filter(name="fbank_cnn")
    assert worst["change"].to_list() == ["resampling"]
    report = (mini.folder / "results/mini/report/index.html").read_text(encoding="utf-8")
    assert "<b>fbank_cnn</b>: worst under resampling" in report


def test_clips_are_packed_for_annotators(mini):
    pack = Pack(mini.folder / "results/mini/annotation")
    assert pack.names == ["fbank_cnn", "wavlm_mhfa", "hubert_linear"]
    assert len(pack.clips) == 12
    assert len({clip.about["attack"] for clip in pack.clips.values()}) > 5
    for detector in pack.detectors:
        folder = mini.folder / f"results/mini/attributions/{detector.run}/seed{detector.seed}"
        attributions = Attributions(folder / "mini.safetensors")
        for key, clip in pack.clips.items():
            explanation = attributions[clip.utt_id]
            evidence = np.nan_to_num(pack.evidence(key, detector.name))
            assert evidence.sum() == pytest.approx(explanation.evidence("spoof").sum(), abs=1e-3)
            assert clip.scores[detector.name] == explanation.score


def test_masks_of_a_cue_change_decisions_beyond_random_masks(mini):
    """A detector that was trained on spoofs without high frequencies hears that they are gone."""
    masks = table(mini, "tables/masking.tsv").filter(
        name="fbank_cnn", mask="high_band", strength="30.0", metric="bonafide_rejected"
    )
    assert masks["against"].to_list() == ["unmasked", "size", "energy"]
    for row in masks.iter_rows(named=True):
        assert float(row["difference"]) > 0.5, row
        assert float(row["ci_low"]) > 0.2, row
    report = (mini.folder / "results/mini/report/index.html").read_text(encoding="utf-8")
    section = report[report.index('<h2 id="masking">') :]
    assert "bona fide rejected is +" in section
    assert "no difference can be significant" in section
    assert "as published" in section.lower()
