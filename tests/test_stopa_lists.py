"""The lists of enrolment and of trials that STOPA has, as public code reads them."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from planning import Recordings, plan_of
from spoofscope.corpora.registry import build
from spoofscope.errors import ConfigError, CorpusError, TableError
from spoofscope.plan.study_plan import checked
from spoofscope.tracing.systems import systems
from spoofscope.tracing.trials import SourceTrials, check_disjoint, listed_trials

# Of the five attacks that the published lists enrol, two have the vocoder vm03.
PARTS = {
    "AA01": ("am01", "vm01"),
    "AA02": ("am01", "vm02"),
    "AA03": ("am02", "vm03"),
    "AA05": ("am03", "vm03"),
}
ENROLLED = ("AA01", "AA03", "AA05")
HEADER = "AbstractModel FileName Speaker Duration ATK AcousticModel VocoderModel"
JUDGED = "IsTargetATK IsTargetAcousticModel IsTargetVocoderModel IsTargetAmArchit IsTargetVmArchit"


def write_lists(root: Path, name: str = "co-2") -> None:
    """TEE has four clips of every enrolled attack, two of them references; trials are of all."""
    (root / "TEE/protocols").mkdir(parents=True)
    (root / "Trials/protocols").mkdir(parents=True)
    for claimed in ENROLLED:
        rows = [f"{claimed}-{name} LA_D_{claimed}_p1_c{i}.wav p1 {claimed}" for i in range(2)]
        text = "\n".join(["AbstractModel FileName Speaker ATK", *rows]) + "\n"
        (root / f"TEE/protocols/{claimed}-{name}.txt").write_text(text)
        lines = [f"{HEADER} {JUDGED}"]
        for attack, parts in PARTS.items():
            same = [
                attack == claimed,
                *(a == b for a, b in zip(parts, PARTS[claimed], strict=True)),
            ]
            clip = f"{claimed}-{name} LA_E_{attack}_p9_s1.wav p9 3.1 {attack} {' '.join(parts)}"
            lines.append(f"{clip} {' '.join(map(str, [*same, *same[1:]]))}")
        (root / f"Trials/protocols/{claimed}-{name}_trials.txt").write_text("\n".join(lines))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_lists(tmp_path)
    return tmp_path


def manifest() -> pl.DataFrame:
    ids = [f"LA_D_{attack}_p1_c{i}" for attack in ENROLLED for i in range(4)]
    ids += [f"LA_E_{attack}_p9_s1" for attack in PARTS]
    rows = [
        {
            "utt_id": utt_id,
            "split": "dev" if "_D_" in utt_id else "eval",
            "label": "spoof",
            "attack": (attack := utt_id.split("_")[2]),
            "acoustic_model": PARTS[attack][0],
            "vocoder": PARTS[attack][1],
        }
        for utt_id in ids
    ]
    return pl.DataFrame(rows)


def trials_of(
    root: Path, split: str, table: pl.DataFrame | None = None, **options: Any
) -> SourceTrials:
    table = manifest() if table is None else table
    lists = build({"type": "stopa", "path": str(root)}, root, key="stopa").source_lists("co-2")
    given = {
        "levels": ["attack", "acoustic_model", "vocoder"],
        **{"targets": 9, "nontargets": 9, "seed": 1},
        **options,
    }
    return listed_trials(table, systems(table), split, lists, **given)


def test_the_trials_are_those_of_the_lists(root):
    trials = trials_of(root, "eval")
    counts = trials.tests.group_by("level", "claim").len(name="n").sort("level", "claim")
    assert counts.rows() == [
        *((("acoustic_model"), claim, 4) for claim in ("am01", "am02", "am03")),
        *(("attack", claim, 4) for claim in ENROLLED),
        *(("vocoder", claim, 4) for claim in ("vm01", "vm03")),
    ]
    targets = trials.tests.filter(target="yes").select("level", "claim", "utt_id").rows()
    # AA02, which nobody enrolled, has the acoustic model of AA01.
    assert [row[2] for row in targets if row[:2] == ("acoustic_model", "am01")] == [
        "LA_E_AA01_p9_s1",
        "LA_E_AA02_p9_s1",
    ]
    assert [row[2] for row in targets if row[:2] == ("attack", "AA01")] == ["LA_E_AA01_p9_s1"]
    references = trials.references.filter(level="vocoder", claim="vm03")["utt_id"].to_list()
    assert references == [f"LA_D_{attack}_p1_c{i}" for attack in ("AA03", "AA05") for i in (0, 1)]


def test_dev_trials_have_the_same_references_and_other_tests(root):
    dev, evaluated = (trials_of(root, split) for split in ("dev", "eval"))
    assert dev.references.equals(evaluated.references)
    check_disjoint(dev, evaluated)
    assert set(dev.tests["utt_id"]) == {
        f"LA_D_{attack}_p1_c{i}" for attack in ENROLLED for i in (2, 3)
    }
    assert set(dev.tests["target"]) == {"yes", "no"}


def test_lists_that_do_not_fit_are_refused(root):
    with pytest.raises(TableError, match=r"1 of the clips are not in the manifest.*LA_E_AA05"):
        trials_of(root, "eval", manifest().filter(pl.col("utt_id") != "LA_E_AA05_p9_s1"))
    with pytest.raises(TableError, match="do not judge the level 'family'"):
        trials_of(root, "eval", levels=["family"])
    # A table of vocoders that is wrong shows.
    changed = pl.when(pl.col("attack") == "AA02").then(pl.lit("vm01")).otherwise(pl.col("vocoder"))
    with pytest.raises(TableError, match=r"by the lists, 'LA_E_AA02_p9_s1' is not of 'vm01'"):
        trials_of(root, "eval", manifest().with_columns(vocoder=changed))
    reader = build({"type": "stopa", "path": str(root)}, root, key="stopa")
    with pytest.raises(CorpusError, match=r"expected one list AA01-nc-1\.txt .* found none"):
        reader.source_lists("nc-1")
    trials = root / "Trials/protocols/AA01-co-2_trials.txt"
    whole = trials.read_text()
    trials.write_text(whole.replace("True", "maybe"))
    with pytest.raises(CorpusError, match=r"line 2: column 'IsTargetATK' must be True or False"):
        reader.source_lists("co-2")
    trials.write_text(whole.replace("IsTargetATK", "IsTarget"))
    with pytest.raises(TableError, match="IsTargetATK"):
        reader.source_lists("co-2")
    trials.unlink()
    with pytest.raises(CorpusError, match=r"one AA01-co-2_trials\.txt of every enrolled attack"):
        reader.source_lists("co-2")
    trials.write_text(whole)
    enrolled = root / "TEE/protocols/AA01-co-2.txt"
    enrolled.write_text(enrolled.read_text().replace("LA_D_AA01_p1_c1", "LA_D_AA03_p1_c1"))
    with pytest.raises(CorpusError, match=r"AA01-co-2\.txt: line 3: .* a clip of AA01"):
        reader.source_lists("co-2")
    with pytest.raises(CorpusError, match="has no lists of source verification"):
        build({"type": "folder", "path": str(root)}, root, key="f").list_files("co-2")


def test_lists_are_of_a_corpus_and_not_of_its_copies(root):
    tracer = {"frontend": "f", "backend": {"type": "cnn"}, "train": {"data": [{"corpus": "stopa"}]}}
    study = {
        "study": "s",
        "corpora": {"stopa": {"type": "stopa", "path": str(root), "dev_speakers": 0.2}},
        "chains": {"cut": [{"effect": "trim_silence"}]},
        "augmented": {"copy": {"corpus": "stopa", "chain": "cut", "splits": ["dev", "eval"]}},
        "frontends": {"f": {"type": "fbank"}},
        "tracers": {"t": tracer},
        "tracing": {"corpora": ["stopa"]},
        "verification": {"corpora": ["copy"], "lists": "co-2"},
    }
    with pytest.raises(ConfigError, match="'copy' is a copy, and `lists` are of the corpus itself"):
        checked(study)
    study["verification"] = {"corpora": ["stopa"], "lists": "co-2"}

    recordings = Recordings()

    def planned() -> dict[str, Any]:
        plan = plan_of(checked(study), outside=recordings)
        return plan.verification.list_source_trials("stopa", "eval").params

    before = planned()["lists"]["files"]
    names = {f"{attack}-co-2{end}.txt" for attack in ENROLLED for end in ("", "_trials")}
    assert {Path(path).name for path in before} == names
    # A list that changes makes the trials stale.
    recordings.changed = " edited"
    assert planned()["lists"]["files"] != before
