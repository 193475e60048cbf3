"""From labels to results: golden values, closed forms and independent calculations."""

import itertools
from pathlib import Path

import jinja2
import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency

from annotation_packs import clip, detector
from explanations import explanation, settings
from spoofscope import audio
from spoofscope.attribution.store import write_attributions
from spoofscope.errors import SpoofscopeError, TableError
from spoofscope.labelling.labels import read_labels
from spoofscope.labelling.pack import Pack, write_pack
from spoofscope.labelling.questions import CUES, NO_DETECTOR
from spoofscope.labelling.regions import chance_iou, iou, joined, share_inside
from spoofscope.labelling.store import Answer
from spoofscope.labelling.tables import write_answers
from spoofscope.metrics.agreement import alpha, dependence, units_of
from spoofscope.report import annotation
from spoofscope.report.annotation import annotation_section
from spoofscope.summaries.annotation import make, permuted_p, read_cues, read_measures, read_tests
from spoofscope.tables import write_manifest, write_segments

# The cues of one annotator of a published study, by detector, in the order of `CUES`.
PUBLISHED = {
    "aasist": {
        "glitch": 19,
        "phoneme": 26,
        "transition": 6,
        "silence": 8,
        "breath": 5,
        "noise": 21,
        "spectral": 4,
    },
    "ca_mhfa": {
        "glitch": 21,
        "phoneme": 36,
        "transition": 30,
        "breath": 3,
        "noise": 8,
        "spectral": 1,
    },
    "sls": {
        "glitch": 19,
        "phoneme": 22,
        "transition": 13,
        "silence": 3,
        "breath": 7,
        "noise": 15,
        "spectral": 2,
    },
}
UNCLEAR = {"aasist": 10, "ca_mhfa": 0, "sls": 19}
COUNTS = {
    name: [(cues | {"unclear": UNCLEAR[name]}).get(cue, 0) for cue in CUES]
    for name, cues in PUBLISHED.items()
}


# --- chi-squared and alpha -----------------------------------------------------------------------


def test_the_published_counts():
    found = dependence(list(COUNTS.values()))
    assert found.chi_squared == pytest.approx(59.548, abs=5e-4)
    assert found.dof == 14
    assert found.cramers_v == pytest.approx(0.316, abs=5e-4)
    assert found.p == pytest.approx(1.408e-7, rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_dependence_against_scipy(seed):
    table = np.random.default_rng(seed).integers(1, 20, (3, 4))
    expected = chi2_contingency(table, correction=False)
    found = dependence(np.insert(table, 2, 0, axis=1))
    assert found.chi_squared == pytest.approx(expected.statistic)
    assert (found.dof, found.p) == (expected.dof, pytest.approx(expected.pvalue))


def test_dependence_of_tables_that_say_nothing_or_everything():
    assert dependence([[5, 0], [3, 0]]) is None
    assert dependence([[5, 4], [0, 0]]) is None
    assert dependence(np.diag([5, 7, 9])).cramers_v == pytest.approx(1)
    assert dependence([[2, 4], [3, 6]]).chi_squared == pytest.approx(0)
    with pytest.raises(SpoofscopeError, match="table of whole numbers"):
        dependence([[0.5, 1.0], [1.0, 2.0]])


# Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), section C: four observers.
OBSERVERS = """
1 2 3 3 2 1 4 1 2 * * *
1 2 3 3 2 2 4 1 2 5 * 3
* 3 3 3 2 3 4 2 2 5 1 *
1 2 3 3 2 4 4 1 2 5 1 *
"""


def reliability_data():
    columns = zip(*(line.split() for line in OBSERVERS.strip().splitlines()), strict=True)
    return [[int(value) - 1 for value in column if value != "*"] for column in columns]


@pytest.mark.parametrize(("scale", "value"), [("nominal", 0.743), ("ordinal", 0.815)])
def test_alpha_of_krippendorffs_own_example(scale, value):
    assert alpha(units_of(reliability_data(), 5, scale)) == pytest.approx(value, abs=5e-4)


def alpha_by_pairs(units, scale):
    """From the definition: disagreement within units over that of all values."""
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    counts = {v: values.count(v) for v in set(values)}

    def squared(one, other):
        if scale == "nominal":
            return float(one != other)
        low, high = sorted((one, other))
        between = sum(n for v, n in counts.items() if low <= v <= high)
        return (between - (counts[low] + counts[high]) / 2) ** 2

    within = sum(
        squared(a, b) / (len(unit) - 1)
        for unit in units
        for a, b in itertools.permutations(unit, 2)
    )
    across = sum(squared(a, b) for a, b in itertools.permutations(values, 2))
    return 1 - (within / len(values)) / (across / (len(values) * (len(values) - 1)))


@pytest.mark.parametrize("scale", ["nominal", "ordinal"])
@pytest.mark.parametrize("seed", range(6))
def test_alpha_against_its_definition(scale, seed):
    rng = np.random.default_rng(seed)
    units = [rng.integers(0, 5, rng.integers(1, 5)).tolist() for _ in range(30)]
    made = units_of(units, 5, scale)
    assert alpha(made) == pytest.approx(alpha_by_pairs(units, scale))
    # A resample is as good as the units themselves, so many times.
    times = rng.integers(0, 3, 30)
    repeated = [unit for unit, n in zip(units, times, strict=True) for _ in range(n)]
    assert alpha(made, times.astype(float)) == pytest.approx(alpha_by_pairs(repeated, scale))


def test_alpha_of_perfect_agreement_and_of_none_to_measure():
    assert alpha(units_of([[0, 0], [1, 1], [2, 2]], 3, "nominal")) == 1
    assert alpha(units_of([[0, 0], [0, 0]], 3, "nominal")) is None
    assert alpha(units_of([[0], [1]], 3, "ordinal")) is None
    assert alpha(units_of([], 3, "nominal")) is None


def test_exchanging_detectors_within_clusters():
    rng = np.random.default_rng(0)
    planted = np.zeros((10, 2, 3), int)
    planted[:, 0, 0] = planted[:, 1, 1] = 2
    observed = dependence(planted.sum(axis=0)).chi_squared
    # Of 2^10 exchanges two give this table or its mirror image.
    assert permuted_p(planted, observed, rng) == pytest.approx(2 / 1024, abs=0.0015)
    # One speaker says nothing about others, however many clips.
    assert permuted_p(planted.sum(axis=0, keepdims=True), observed, rng) == 1


@pytest.mark.slow
def test_exchanging_finds_no_more_than_it_should():
    rng = np.random.default_rng(1)
    below = 0
    for _ in range(100):
        counts = np.stack([rng.multinomial(3, [0.5, 0.3, 0.2], 3) for _ in range(8)])
        found = dependence(counts.sum(axis=0))
        below += permuted_p(counts, found.chi_squared, rng) < 0.1
    assert below < 20


# --- regions -------------------------------------------------------------------------------------


def stretches(*pairs):
    return joined([{"start": start, "end": end} for start, end in pairs])


def test_overlaps():
    assert stretches((0.5, 0.7), (0.1, 0.3), (0.2, 0.4)).tolist() == [[0.1, 0.4], [0.5, 0.7]]
    assert iou(stretches((0, 2)), stretches((1, 3))) == pytest.approx(1 / 3)
    assert iou(stretches((0, 1), (2, 3)), stretches((0, 3))) == pytest.approx(2 / 3)
    assert iou(stretches((0, 1)), stretches()) == 0
    assert iou(stretches((0, 1)), stretches((1, 2))) == 0
    assert iou(stretches((0.3, 0.4)), stretches((0.3, 0.4))) == 1


def test_chance_overlaps():
    # Against the whole clip, wherever it is moved: its share of the clip.
    assert chance_iou(stretches((0, 4)), stretches((1, 2), (3, 3.5)), 4.0) == pytest.approx(0.375)
    assert chance_iou(stretches((0, 4)), stretches((0, 4)), 4.0) == pytest.approx(1)
    assert chance_iou(stretches((1, 2)), stretches(), 4.0) == 0
    # Two regions of w in a clip of T: the integral of (w - s) / (w + s) over shifts s.
    w, duration = 0.5, 4.0
    expected = 2 * (2 * w * np.log(2) - w) / duration
    found = chance_iou(stretches((1, 1 + w)), stretches((2, 2 + w)), duration)
    assert found == pytest.approx(expected, rel=0.05)


def test_evidence_inside_of_regions():
    times = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    values = np.array([1.0, -3.0, 4.0, np.nan, 0.0])
    assert share_inside(times, values, stretches((0.15, 0.25), (0.35, 0.45))) == (3 / 8, 1 / 4)
    assert share_inside(times, values, stretches((0.35, 0.45))) is None
    assert share_inside(times, 0 * values, stretches((0, 1))) is None


# --- tables --------------------------------------------------------------------------------------


class LabelledStudy:
    """A pack with labels, and the tables that are made of them."""

    def __init__(self, folder, names, n_clips, speakers=10):
        self.folder = folder
        path = folder / "clip.wav"
        audio.write(path, 0.1 * np.random.default_rng(0).standard_normal(16000), 16000)
        rows, clips = [], []
        curve = np.zeros(100, np.float32)
        curve[20:40] = 1.0
        for i in range(n_clips):
            row, _, _ = clip(path, f"U{i:03}", speaker=f"S{i % speakers}")
            rows.append(row)
            clips.append((row, dict.fromkeys(names, 0.0), dict.fromkeys(names, curve)))
        about = {"study": "s", "corpus": "c", "split": "eval"}
        write_pack(folder / "pack", about, 1, [detector(name) for name in names], clips)
        write_manifest(folder / "manifest.tsv", pl.DataFrame(rows))
        self.pack = Pack(folder / "pack")
        self.names = names
        self.rows = rows
        self.answers: list[Answer] = []
        made = [
            explanation(-curve, utt_id=row["utt_id"], hop=0.01, label=row["label"]) for row in rows
        ]
        write_attributions(folder / "a.safetensors", settings(hop=0.01), made)

    def say(self, annotator, i, name, field, value, **changes):
        utt_id = f"U{i:03}"
        evidence = ""
        if name != NO_DETECTOR:
            evidence = self.pack.digest(self.pack.of_utterance(utt_id).key, name)
        given = {"revision": 1, "seconds": 2.0, "blind": True, "evidence": evidence} | changes
        saved = "2026-01-01T00:00:00+00:00"
        self.answers.append(
            Answer(annotator, utt_id, name, field, value=value, saved=saved, **given)
        )

    def tables(self, alignment="", **changes):
        write_answers(self.folder / "labels.tsv", self.answers)
        parts = {
            "table": "annotation",
            **{p: f"annotation.{p}" for p in ("cues", "tests", "evidence")},
        }
        outputs = {part: str(self.folder / f"{name}.tsv") for part, name in parts.items()}
        options = {"resamples": 200, "bootstrap_seed": 1, "cluster": None} | changes
        explained = [
            {"name": name, "attributions": str(self.folder / "a.safetensors")}
            for name in self.names
        ]
        make(
            pack=str(self.folder / "pack/clips.tsv"),
            files=[],
            labels=[str(self.folder / "labels.tsv")],
            manifest=str(self.folder / "manifest.tsv"),
            alignment=alignment,
            explained=explained,
            outputs=outputs,
            **options,
        )
        return outputs


def measure(outputs, name, of="all"):
    (row,) = read_measures(outputs["table"]).filter(measure=name, detector=of).to_dicts()
    return row


@pytest.mark.slow
def test_the_published_counts_through_the_whole_way(tmp_path):
    study = LabelledStudy(tmp_path, list(COUNTS), 100)
    for name, counts in COUNTS.items():
        cues = [cue for cue, n in zip(CUES, counts, strict=True) for _ in range(n)]
        for i, cue in enumerate(cues):
            study.say("Ann", i, name, "cue", cue)
    outputs = study.tables()
    whole = read_tests(outputs["tests"]).row(0, named=True)
    assert whole["chi_squared"] == pytest.approx(59.548, abs=5e-4)
    assert (whole["dof"], whole["n"]) == (14, 298)
    assert whole["cramers_v"] == pytest.approx(0.316, abs=5e-4)
    assert whole["clusters"] == 10
    cues = read_cues(outputs["cues"])
    for name, counts in COUNTS.items():
        assert cues.filter(annotator="all", detector=name)["n"].to_list() == counts
    tests = read_tests(outputs["tests"])
    assert tests["detector"].to_list() == [
        *("all", "aasist / ca_mhfa", "aasist / sls", "ca_mhfa / sls"),
    ]
    assert all(p >= q for p, q in tests[1:].select("p_holm", "p_permuted").rows())
    section = annotation_section(
        {"measures": outputs["table"], "cues": outputs["cues"], "tests": outputs["tests"]},
        {"aasist": "passes", "sls": "fails"},
    )
    assert section["who"] == (
        "Of explanations of 100 clips there are 298 labels; annotators: 1. Brackets hold 95 % "
        "intervals."
    )
    assert "chi-squared 59.5 with 14 degrees of freedom, Cramer's V 0.32" in section["findings"][0]
    assert section["doubts"] == [
        "With one annotator there is no agreement to measure.",
        "† Explanations of sls fail their controls: do not rely on them.",
    ]
    names = [detector["name"] for detector in section["detectors"]]
    assert names == ["aasist", "ca_mhfa", "sls †"]
    assert section["detectors"][1]["cues"].startswith("phoneme 36, transition 30, glitch 21")


@pytest.fixture
def study(tmp_path):
    """Two people, two detectors, twelve clips."""
    made = LabelledStudy(tmp_path, ["one", "two"], 12, speakers=12)
    for i in range(12):
        for annotator, later in (("Ann", 0.0), ("Bob", 0.1)):
            for name in made.names:
                start = 0.2 if name == "one" else 0.6
                region = {"start": start + later, "end": start + 0.2 + later, "cue": None}
                made.say(annotator, i, name, "regions", [region])
                made.say(annotator, i, name, "cue", "silence" if name == "one" else "noise")
                made.say(annotator, i, name, "locality", 2 + i % 3)
            made.say(annotator, i, "one", "audible", annotator == "Ann")
            made.say(annotator, i, NO_DETECTOR, "comparison", "differ")
    return made


def test_measures(study):
    outputs = study.tables()
    for name, value in {
        **{"annotators": 2, "clips": 12, "labels": 48, "skipped": 0, "outdated_answers": 0},
        **{"answers_not_blind": 0, "locality": 3, "audible": 0.5, "regions": 1},
        # Seven or eight answers of two seconds to each clip.
        **{"width_mean": 0.2, "width_median": 0.2, "seconds_per_clip": 16},
        **{"alpha_cue": 1, "alpha_locality": 1},
    }.items():
        assert measure(outputs, name)["value"] == pytest.approx(value), name
    # Two of three tenths of a second are marked by both.
    assert measure(outputs, "iou_people", "one")["value"] == pytest.approx(1 / 3)
    assert measure(outputs, "iou_people", "one")["n"] == 12
    assert 0 < measure(outputs, "iou_people", "one")["chance"] < 0.2
    assert measure(outputs, "iou_detectors", "one / two")["value"] == 0
    assert measure(outputs, "same_cue", "one / two")["value"] == 0
    # Evidence is from 0.2 s to 0.4 s of the 0.95 s that are seen; Bob marks half of it.
    density = measure(outputs, "density_in_regions", "one")["value"]
    assert density == pytest.approx(np.mean([1, 0.5]) / 0.2, rel=0.01)
    assert measure(outputs, "density_in_regions", "two")["value"] == pytest.approx(0)
    # Always different: worse than chance.
    assert measure(outputs, "alpha_audible", "one")["value"] < 0
    assert measure(outputs, "alpha_audible", "two")["value"] is None
    row = measure(outputs, "locality")
    assert (row["n"], row["clusters"]) == (48, 12)
    assert row["ci_low"] < 3 < row["ci_high"]
    whole = read_tests(outputs["tests"]).row(0, named=True)
    # Exchanges that give the same table or its mirror image: 2 of 2^12.
    assert whole["p_permuted"] < 0.003
    assert whole["cramers_v"] == pytest.approx(1)


def test_speakers_are_the_unit(study):
    for i, made in enumerate(study.rows):
        made["speaker"] = f"S{i % 2}"
    write_manifest(study.folder / "manifest.tsv", pl.DataFrame(study.rows))
    row = measure(study.tables(), "locality")
    # Two speakers are too few for an interval, however many clips there are.
    assert (row["clusters"], row["ci_low"]) == (2, None)
    assert measure(study.tables(cluster="none"), "locality")["clusters"] == 12


def test_what_does_not_count(study):
    study.say("Ann", 0, NO_DETECTOR, "state", "skipped")
    study.say("Ann", 1, "one", "cue", None, revision=2)
    study.say("Ann", 2, "one", "cue", "breath", revision=2, blind=False)
    study.say("Bob", 3, "two", "cue", "glitch", revision=2, evidence="0" * 16)
    study.say("Eve", 4, "one", "cue", "glitch", blind=None)
    write_answers(study.folder / "labels.tsv", study.answers)
    read = read_labels([study.folder / "labels.tsv"], study.pack)
    assert (read.skipped, read.outdated, read.not_blind) == (1, 1, 2)
    given = {
        (label.annotator, label.utt_id, label.detector): label.answers for label in read.labels
    }
    assert not any(who == "Ann" and utt_id == "U000" for who, utt_id, _ in given)
    assert "cue" not in given["Ann", "U001", "one"]
    assert given["Ann", "U002", "one"]["cue"] == "breath"
    assert "cue" not in given["Bob", "U003", "two"]
    outputs = study.tables()
    section = annotation_section(
        {"measures": outputs["table"], "cues": outputs["cues"], "tests": outputs["tests"]}, {}
    )
    assert section["doubts"] == [
        "2 answers were not blind, or are not known to be.",
        "1 answers are about explanations that are others now, or not in the pack; they do not "
        "count.",
    ]


def test_the_part_of_the_report(study):
    outputs = study.tables()
    section = annotation_section(
        {"measures": outputs["table"], "cues": outputs["cues"], "tests": outputs["tests"]}, {}
    )
    template = (Path(annotation.__file__).parents[1] / "templates/report.html.j2").read_text()
    start, end = (template.index(f"{{% if {name} %}}\n<h2") for name in ("labelled", "shortcuts"))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(template[start:end]).render(labelled=section)
    assert "Of explanations of 12 clips there are 48 labels; annotators: 2." in page
    assert "Cramer&#39;s V 1.00; p &lt; 0.001 by exchanging" in page
    assert page.count("<th") - page.count("<thead") == 9
    assert '<td>one</td><td class="n">24</td><td>silence 24</td><td class="n">3.00 (2.' in page
    assert "; chance 0." in page
    assert environment.from_string(template[start:end]).render(labelled=None).strip() == ""


def test_tables_that_contradict_each_other(study):
    write_answers(study.folder / "labels.tsv", study.answers)
    study.answers[0] = Answer(**{**study.answers[0].__dict__, "value": []})
    write_answers(study.folder / "other.tsv", study.answers)
    paths = [study.folder / "labels.tsv", study.folder / "other.tsv"]
    with pytest.raises(TableError, match="two people have used one name"):
        read_labels(paths, study.pack)
    assert len(read_labels([paths[0], paths[0]], study.pack).labels) == 48


def test_a_region_outside_of_its_clip(study):
    study.say("Eve", 0, "one", "regions", [{"start": 0.2, "end": 7.0, "cue": None}])
    write_answers(study.folder / "labels.tsv", study.answers)
    with pytest.raises(TableError, match=r"'Eve' on 'U000': the region from 0\.2 s to 7 s"):
        read_labels([study.folder / "labels.tsv"], study.pack)


def test_automatic_cues_beside_those_of_people(study):
    """All evidence lies between 0.2 s and 0.4 s, half of which is silence."""
    segments = pl.DataFrame(
        [
            {"utt_id": row["utt_id"], "start": 0.3, "end": 0.5, "tier": "silence", "label": "pause"}
            for row in study.rows
        ]
    )
    path = Path(study.folder / "segments.tsv")
    write_segments(path, segments)
    evidence = pl.read_csv(study.tables(str(path))["evidence"], separator="\t")
    row = evidence.filter(detector="one", cue="silence", sound="silence").row(0, named=True)
    assert row["magnitude_share"] == pytest.approx(0.5, abs=0.03)
    assert row["time_share"] == pytest.approx(0.2, abs=0.01)
    assert row["density"] == pytest.approx(2.5, abs=0.15)
    assert row["n"] == 24
    speech = evidence.filter(detector="one", cue="silence", sound="speech").row(0, named=True)
    assert speech["magnitude_share"] + row["magnitude_share"] == pytest.approx(1)
    assert set(evidence["cue"]) == {"all", "silence", "noise"}
    assert evidence.filter(detector="one", cue="noise").is_empty()


def test_nobody_has_said_anything(tmp_path):
    study = LabelledStudy(tmp_path, ["one", "two"], 3)
    outputs = study.tables()
    assert measure(outputs, "labels")["value"] == 0
    assert measure(outputs, "locality")["value"] is None
    section = annotation_section(
        {"measures": outputs["table"], "cues": outputs["cues"], "tests": outputs["tests"]}, {}
    )
    assert "too few speakers or clips for intervals: fewer than 8." in section["who"]
    assert section["findings"] == ["There are too few cues to hold detectors against each other."]
    assert annotation_section({}, {}) is None
