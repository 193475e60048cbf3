"""Work on many utterances: killed, it goes on; cut into shards, it makes the same bytes."""

import functools
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from killed_jobs import Scripts
from noise_and_tones import write_corpus
from spoofscope import tables
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, TableError
from spoofscope.layout import Layout
from spoofscope.shards import journal as journals
from spoofscope.shards.journal import Journal, in_processes, part, resumed, work_through
from spoofscope.shards.parts import parse_shard, shard_slice
from spoofscope.windows import InputPolicy

# --- which part ----------------------------------------------------------------------------------


@given(
    weights=st.lists(st.floats(0.01, 100), max_size=40),
    n_shards=st.integers(1, 12),
)
def test_every_item_is_in_one_shard(weights: list[float], n_shards: int) -> None:
    items = list(range(len(weights)))
    shards = [items[shard_slice(weights, i, n_shards)] for i in range(n_shards)]
    assert [item for shard in shards for item in shard] == items
    filled = min(n_shards, len(items))
    assert [bool(shard) for shard in shards] == [i < filled for i in range(n_shards)]


def test_a_shard_has_a_name() -> None:
    assert parse_shard("2-of-8") == (1, 8)
    with pytest.raises(ConfigError, match="0 to 2"):
        shard_slice([1.0] * 9, 3, 3)


# --- journals ------------------------------------------------------------------------------------

RESULTS: dict[str, Any] = {
    "a": {"x": 0.1 + 0.2, "none": None, "text": "tab\tand\nline", "yes": True},
    "tab\tid": [1e-300, float("inf"), -0.0, 2**53 + 1],
    "ü/b": {"map": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array([2**40])},
    "": "no id at all",
}


def written(folder: Path) -> Journal:
    journal = Journal(folder, "this work")
    for key, result in RESULTS.items():
        journal[key] = result
    return journal


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and np.all(one == other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(repr(one) == repr(other))


def test_what_is_kept_is_read_as_it_was_written(tmp_path: Path) -> None:
    journal = written(tmp_path)
    assert all(same(journal[key], result) for key, result in RESULTS.items())
    journal.close()
    again = Journal(tmp_path, "this work")
    assert all(same(again[key], result) for key, result in RESULTS.items())
    assert "c" not in again
    # As an array is that a job may go on to compute with.
    again["ü/b"]["map"] += 1
    again.close()


def test_a_later_result_counts(tmp_path: Path) -> None:
    journal = written(tmp_path)
    journal["a"] = 2
    assert journal["a"] == 2
    journal.close()
    again = Journal(tmp_path, "this work")
    assert again["a"] == 2
    again.close()


def test_what_no_journal_can_hold_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "this work")
    with pytest.raises(TypeError, match="cannot hold a float32"):
        journal["a"] = np.float32(1)
    journal["a"] = 1
    journal.close()


@pytest.mark.slow
def test_a_torn_line_is_cut_off_without_a_word(tmp_path: Path, caplog: Any) -> None:
    written(tmp_path).close()
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        journal = Journal(tmp_path, "this work")
        n_lines = sum(end <= size for end in ends)
        assert [key in journal for key in RESULTS] == [i < n_lines - 1 for i in range(len(RESULTS))]
        journal.close()
        # What comes next stands on a line of its own.
        assert path.read_bytes() == whole[: ends[max(n_lines, 1) - 1]]
    assert caplog.records == []


@pytest.mark.slow
@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_line_is_never_believed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    written(folder).close()
    path = folder / "journal.jsonl"
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    line = content[:place].count(b"\n")
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    journal = Journal(folder, "this work")
    kept = [key for key in RESULTS if key in journal]
    # Those before the damage, and no other. The first line holds none.
    assert kept == list(RESULTS)[: max(0, line - 1)]
    assert all(same(journal[key], RESULTS[key]) for key in kept)
    for key, result in RESULTS.items():
        journal[key] = result
    journal.close()
    again = Journal(folder, "this work")
    assert all(same(again[key], result) for key, result in RESULTS.items())
    again.close()


def test_damage_is_said(tmp_path: Path, caplog: Any) -> None:
    written(tmp_path).close()
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0.30000000000000004", b"0.30000000000000005"))
    with caplog.at_level(logging.WARNING):
        Journal(tmp_path, "this work").close()
    (record,) = caplog.records
    assert f"{path}: line 2 is damaged" in record.getMessage()


def test_damage_while_a_job_reads_ends_the_job(tmp_path: Path) -> None:
    journal = written(tmp_path)
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0.30000000000000004", b"0.30000000000000005"))
    with pytest.raises(TableError, match="the line of 'a' was damaged while it was in use"):
        journal["a"]
    journal.close()


def test_a_journal_of_other_work_is_not_used(tmp_path: Path, caplog: Any) -> None:
    written(tmp_path).close()
    with caplog.at_level(logging.WARNING):
        journal = Journal(tmp_path, "that work")
    assert not any(key in journal for key in RESULTS)
    journal["a"] = 1
    journal.close()
    assert "belongs to other work" in caplog.text
    again = Journal(tmp_path, "that work")
    assert again["a"] == 1
    again.close()


def test_a_journal_stays_until_the_work_is_done(tmp_path: Path) -> None:
    path = tmp_path / "work" / "journal.jsonl"

    def fail() -> None:
        with resumed(tmp_path / "work", [1, {"a": 2}]) as done:
            done["a"] = 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.exists()
    with resumed(tmp_path / "work", [1, {"a": 2}]) as done:
        assert done["a"] == 1
    assert not path.exists()


def test_parts_are_joined_and_have_to_be_whole(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.jsonl" for i in range(3)]
    for i, path in enumerate(paths):
        with part(tmp_path / "work", i, path) as done:
            # An empty shard has a part, too.
            if i < 2:
                done[f"u{i}"] = i
    assert not list((tmp_path / "work").iterdir())
    with resumed(tmp_path / "work", "", paths) as done:
        assert [done[key] for key in ("u0", "u1")] == [0, 1]
        assert "u2" not in done
        with pytest.raises(TableError, match="'u2' is in none of the 3 parts"):
            work_through([("u1", 1), ("u2", 2)], lambda item: item, done, workers=1)
    content = paths[1].read_bytes()
    for damaged in (content[:-1], content.replace(b"u1", b"u2"), b""):
        paths[1].write_bytes(damaged)
        with (
            pytest.raises(TableError, match=r"1\.jsonl is damaged; delete it"),
            resumed(tmp_path / "work", "", paths),
        ):
            pass


def test_what_is_done_is_not_worked_out_again(tmp_path: Path) -> None:
    worked_out: list[int] = []

    def square(number: int) -> int:
        if number == 7:
            raise ValueError("seven")
        worked_out.append(number)
        return number**2

    items = [(f"n{i}", i) for i in range(20)]
    done = {"n3": "as it was"}
    with pytest.raises(ValueError, match="seven"):
        work_through(items, square, done, workers=2)
    assert list(done) == ["n3", "n0", "n1", "n2", "n4", "n5", "n6"]
    assert 3 not in worked_out
    # Not all of what follows is worked out in vain.
    assert len(worked_out) < 15
    work_through([item for item in items if item[1] != 7], square, done, workers=2)
    assert done["n3"] == "as it was"
    assert {key: done[key] for key, i in items if i not in (3, 7)} == {
        f"n{i}": i**2 for i in range(20) if i not in (3, 7)
    }


@pytest.mark.parametrize("work", [work_through, in_processes])
def test_long_work_says_how_far_it_is(work: Callable[..., None], caplog, monkeypatch) -> None:
    """What was finished before counts as done."""
    monkeypatch.setattr(journals, "_PROGRESS_SECONDS", 0.0)
    caplog.set_level(logging.INFO)
    done: dict[str, int] = {"0": 0, "1": 1}
    one = (lambda item: item) if work is work_through else list
    work([(str(i), i) for i in range(100)], one, done, 1)
    assert len(done) == 100
    n = 3 if work is work_through else 34
    assert caplog.messages[0] == f"{n} of 100 clips, 1 s left"
    # The end needs no word.
    assert not any(message.startswith("100 of") for message in caplog.messages)


# --- the jobs, killed ----------------------------------------------------------------------------

LAYOUT = Layout("results", "resources")


@dataclass(frozen=True)
class Work:
    """A job: its parameter, inputs and outputs; after how many results to kill it."""

    cfg: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]
    kill_after: int
    kill_shard_after: int = 0

    @property
    def first(self) -> str:
        return next(iter(self.outputs.values()))


@pytest.fixture(scope="module")
def scripts() -> Iterator[Scripts]:
    started = Scripts()
    yield started
    started.close()


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Work]:
    folder = tmp_path_factory.mktemp("given")
    sizes = {"train": 6, "eval": 20}
    manifest = str(write_corpus(folder / "corpus", sizes, samples=(8000, 20000)))
    torch.manual_seed(1)
    lfcc = Detector({"type": "lfcc"}, {"type": "linear"}, InputPolicy(length=6000, hop=3000))
    lfcc.save(folder / "lfcc")
    bands = {"type": "fbank", "n_fft": 256, "hop": 64, "bands": 31, "normalise": "none"}
    fbank = Detector(bands, {"type": "linear"}, InputPolicy(length=2000, tail="drop"))
    fbank.save(folder / "fbank")
    rows = tables.read_manifest(manifest).filter(split="eval")
    scores = pl.DataFrame(
        {
            "utt_id": rows["utt_id"],
            "score": [lfcc.eval().predict(path)["score"] for path in rows["path"]],
        }
    )
    tables.write_scores(folder / "scores.tsv", scores)
    tables.write_table(
        folder / "problems.tsv",
        pl.DataFrame(schema=dict.fromkeys(("utt_id", "path", "split", "label", "reason"), str)),
    )
    explained = {"detector": str(folder / "lfcc/detector.json"), "scores": f"{folder}/scores.tsv"}
    averaged = {"detector": str(folder / "fbank/detector.json")}
    options = {"steps": 4, "max_steps": 4, "baseline": "zeros"}
    return {
        "score": Work(
            {"folder": f"{folder}/lfcc", "split": "eval", "shard": "1-of-1"},
            {"manifest": manifest},
            {"scores": "results/scores.tsv"},
            # Batches are kept as wholes.
            kill_after=16,
        ),
        "audit_corpus": Work(
            {
                "corpus": "c",
                "settings": {"type": "folder", "path": f"{folder}/corpus"},
                "root": f"{folder}/corpus",
            },
            {"manifest": manifest, "problems": f"{folder}/problems.tsv", "originals": []},
            {"table": "results/audit.tsv", "page": "results/audit.html"},
            kill_after=15,
            kill_shard_after=5,
        ),
        "measure_artefacts": Work(
            {"split": "eval", "published_measures": False},
            {"manifest": manifest},
            {"measures": "results/measures.tsv"},
            kill_after=11,
            kill_shard_after=3,
        ),
        "align": Work(
            {"aligner": {"type": "energy"}, "split": "eval"},
            {"manifest": manifest, "table": [], "clips": [], "backbone": []},
            {"segments": "results/aligned.tsv", "clips": "results/aligned.clips.tsv"},
            kill_after=11,
            kill_shard_after=3,
        ),
        "explain": Work(
            {
                "folder": f"{folder}/lfcc",
                "seed": 1,
                "split": "eval",
                "method": "integrated_gradients",
                # Three batches that are worked on together.
                "options": {"per_attack": 6, **options},
            },
            {"manifest": manifest, "centroid": [], "features": [], "utterances": [], **explained},
            {
                "attributions": "results/explained.safetensors",
                "regions": "results/explained.regions.tsv",
                "summary": "results/explained.summary.tsv",
            },
            kill_after=4,
            kill_shard_after=1,
        ),
        "score_masked": Work(
            {
                "folder": f"{folder}/lfcc",
                "seed": 1,
                "split": "eval",
                "masks": {"gain": {"type": "gain"}, "loud": {"type": "loud_frames"}},
                "options": {"per_attack": 2, "controls": 1},
            },
            {
                "manifest": manifest,
                "centroid": [],
                "recogniser": [],
                "segments": [],
                "artefacts": [],
                **explained,
            },
            {"scores": "results/masked.tsv"},
            kill_after=4,
            kill_shard_after=1,
        ),
        "score_cues": Work(
            {
                "folder": f"{folder}/lfcc",
                "seed": 1,
                "split": "eval",
                "cues": {"level": {"of": "spoof", "put": "soft"}},
                "chains": {"soft": {"steps": [{"effect": "level", "level": [-40, -40]}]}},
                "noise": {},
                "options": {"per_attack": 2},
            },
            {"manifest": manifest, "noise": [], **explained},
            {"scores": "results/cues.tsv"},
            kill_after=4,
            kill_shard_after=1,
        ),
        "score_laundered": Work(
            {
                "folder": f"{folder}/lfcc",
                "seed": 1,
                "split": "eval",
                "changes": {"softer": ["soft"]},
                "chains": {"soft": {"steps": [{"effect": "level", "level": [-40, -40]}]}},
                "noise": {},
                "options": {"per_attack": 2},
            },
            {"manifest": manifest, "noise": [], **explained},
            {"scores": "results/laundered.tsv"},
            kill_after=4,
            kill_shard_after=1,
        ),
        "average_attributions": Work(
            {
                "folder": f"{folder}/fbank",
                "seed": 1,
                "split": "eval",
                "options": {"windows_per_class": 24, **options},
            },
            {"manifest": manifest, "centroid": [], **averaged},
            {
                "maps": "results/mean.safetensors",
                "bands": "results/mean.bands.tsv",
                "summary": "results/mean.summary.tsv",
            },
            kill_after=9,
            kill_shard_after=2,
        ),
        "measure_fingerprints": Work(
            {
                "seed": 1,
                "options": {"level": 5, "seconds": 0.4, "group": "utt_id"},
                "halves": 3,
                "permutations": 9,
            },
            {"manifest": manifest},
            {
                "fingerprints": "results/prints.safetensors",
                "clips": "results/prints.clips.tsv",
                "stability": "results/prints.stability.tsv",
            },
            kill_after=2,
        ),
    }


def run(scripts: Scripts, folder: Path, rule: str, work: Work, **more: Any) -> list[str]:
    """Run a job that ends well; the keys of what it has worked out."""
    ended = scripts.run(rule, folder, work.cfg, work.inputs, work.outputs, **more)
    assert ended.code == 0, (folder / "log").read_text()
    return ended.worked_out


def contents(folder: Path, work: Work) -> list[bytes]:
    return [(folder / path).read_bytes() for path in work.outputs.values()]


def joining(work: Work, parts: list[str]) -> Work:
    """The job that joins shards; without any it does all of the work."""
    cfg = {**work.cfg, "work": LAYOUT.journal(work.first)}
    return replace(work, cfg=cfg, inputs={"parts": parts, **work.inputs})


def whole(work: Work) -> Work:
    return joining(work, [])


@pytest.fixture(scope="module")
def undisturbed(scripts, works, tmp_path_factory) -> Callable[[str], tuple[list[str], list[bytes]]]:
    """What a job works out, and the bytes that it writes, by its rule."""

    @functools.cache
    def made(rule: str) -> tuple[list[str], list[bytes]]:
        folder = tmp_path_factory.mktemp(rule)
        return run(scripts, folder, rule, whole(works[rule])), contents(folder, works[rule])

    return made


# Detectors are slow to load, and slower to explain; the others are much like those above.
SLOW = [
    pytest.param(rule, marks=pytest.mark.slow)
    for rule in (
        *("align", "audit_corpus", "explain", "score_masked", "score_cues"),
        *("score_laundered", "average_attributions"),
    )
]


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["score", "measure_artefacts", "measure_fingerprints", *SLOW])
def test_killed_in_the_middle_it_goes_on(rule, scripts, works, undisturbed, tmp_path):
    work = whole(works[rule])
    keys, wanted = undisturbed(rule)
    call = (rule, tmp_path, work.cfg, work.inputs, work.outputs)
    code, before = scripts.run(*call, kill_after=work.kill_after)
    assert (code, before) == (-9, keys[: work.kill_after])
    assert not any((tmp_path / path).exists() for path in work.outputs.values())
    # What was finished is not worked out again.
    after = run(scripts, tmp_path, rule, work)
    assert after == keys[work.kill_after :]
    assert contents(tmp_path, work) == wanted
    assert not [path for path in (tmp_path / "results/work").rglob("*") if path.is_file()]
    assert "damaged" not in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["measure_artefacts", "measure_fingerprints", *SLOW])
def test_cut_into_shards_one_of_which_is_killed(rule, scripts, works, undisturbed, tmp_path):
    work = works[rule]
    keys, wanted = undisturbed(rule)
    worked_out, parts = [], []
    for shard in ("1-of-3", "2-of-3", "3-of-3"):
        path = LAYOUT.shard(work.first, shard)
        parts.append(path)
        cfg = {**work.cfg, "shard": shard, "work": LAYOUT.journal(path)}
        call = (f"{rule}_shard", tmp_path, cfg, work.inputs, {"part": path})
        if shard == "2-of-3":
            ended = scripts.run(*call, kill_after=work.kill_shard_after)
            assert ended.code == -9
            assert len(ended.worked_out) == work.kill_shard_after
            assert not (tmp_path / path).exists()
            worked_out += ended.worked_out
        ended = scripts.run(*call)
        assert ended.code == 0, (tmp_path / "log").read_text()
        assert ended.worked_out
        worked_out += ended.worked_out
    assert worked_out == keys
    # The job that joins them works nothing out.
    assert run(scripts, tmp_path, rule, joining(work, parts)) == []
    assert contents(tmp_path, work) == wanted
    assert not [path for path in (tmp_path / "results/work").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_more_shards_than_utterances(scripts, works, tmp_path):
    work = works["measure_artefacts"]
    work = replace(work, cfg={**work.cfg, "split": "train"})
    keys = run(scripts, tmp_path, "measure_artefacts", whole(work))
    wanted = contents(tmp_path, work)
    assert len(keys) == 6
    parts = []
    for i in range(1, 9):
        parts.append(LAYOUT.shard(work.first, f"{i}-of-8"))
        cfg = {**work.cfg, "shard": f"{i}-of-8", "work": LAYOUT.journal(parts[-1])}
        call = ("measure_artefacts_shard", tmp_path, cfg, work.inputs, {"part": parts[-1]})
        ended = scripts.run(*call)
        assert (ended.code, ended.worked_out) == (0, keys[i - 1 : i])
    assert run(scripts, tmp_path, "measure_artefacts", joining(work, parts)) == []
    assert contents(tmp_path, work) == wanted


@pytest.mark.slow
def test_a_journal_that_was_damaged_meanwhile(scripts, works, undisturbed, tmp_path):
    work = whole(works["measure_artefacts"])
    keys, wanted = undisturbed("measure_artefacts")
    call = ("measure_artefacts", tmp_path, work.cfg, work.inputs, work.outputs)
    scripts.run(*call, kill_after=work.kill_after)
    path = tmp_path / work.cfg["work"] / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    # Another number, as valid as the right one.
    flipped = lines[4].replace(b'"level": -', b'"level": -1', 1)
    assert flipped != lines[4]
    path.write_bytes(b"".join([*lines[:4], flipped, *lines[5:]]))
    assert run(scripts, tmp_path, "measure_artefacts", work) == keys[3:]
    assert contents(tmp_path, work) == wanted
    assert f"{path.relative_to(tmp_path)}: line 5 is damaged" in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["setting", "code", "input"])
def test_what_was_begun_with_something_else_begins_anew(changed, scripts, works, tmp_path):
    work = whole(works["measure_artefacts"])
    manifest = tmp_path / "manifest.tsv"
    shutil.copy(work.inputs["manifest"], manifest)
    inputs = {**work.inputs, "manifest": str(manifest)}
    scripts.run("measure_artefacts", tmp_path, work.cfg, inputs, work.outputs, kill_after=11)
    cfg = dict(work.cfg)
    if changed == "setting":
        cfg["another"] = 1
    elif changed == "code":
        cfg["code"] = "1" * 12
    else:
        manifest.write_text(manifest.read_text().replace("\ts1\t", "\tsomebody\t"))
    ended = scripts.run("measure_artefacts", tmp_path, cfg, inputs, work.outputs)
    assert (ended.code, len(ended.worked_out)) == (0, 20)
    assert "belongs to other work" in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_journals_lie_where_no_result_does() -> None:
    layout = Layout("results/x", "resources")
    measures = layout.measures("c", "eval")
    assert layout.journal(measures) == "results/x/work/artefacts/c.eval.measures"
    shard = layout.shard(measures, "2-of-3")
    assert shard == "results/x/artefacts/shards/c.eval.measures-2-of-3.jsonl"
    assert layout.journal(shard) == "results/x/work/artefacts/shards/c.eval.measures-2-of-3"
