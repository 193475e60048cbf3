"""The store of features: what decides an address; damage, kills, several users, and deleting."""

import copy
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from planning import Versions, plan_of
from spoofscope.cli import main
from spoofscope.errors import ConfigError
from spoofscope.feature_store import INDEX, VALUES, FeatureStore, Files, address_of, unused_beyond
from spoofscope.files import sha256_file
from spoofscope.identity import hash8
from spoofscope.job import _output_record, from_store
from spoofscope.locks import SHARED, claim
from spoofscope.plan.study_plan import Plan, checked
from spoofscope.study import MINI
from spoofscope.study.reading import read_config
from spoofscope.tables import write_table

A, B, C = (address_of({"recordings": [name]}) for name in "abc")
RECORD = {"settings": {"frontend": {"type": "lfcc"}}}


def written(folder: Path, content: str = "values") -> Files:
    """The two files of a study that has made features."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(folder / "train.safetensors", folder / "train.tsv")
    files.values.write_text(content)
    files.index.write_text("index")
    return files


def put(store: FeatureStore, address: str, folder: Path, content: str = "values") -> Files:
    files = written(folder, content)
    with store.claimed(address):
        store.put(address, files, "0" * 8, RECORD)
    return files


def taken(store: FeatureStore, address: str, folder: Path) -> Files | None:
    """The files of another study, from the store."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(folder / "train.safetensors", folder / "train.tsv")
    with store.claimed(address):
        return files if store.take(address, files, "1" * 8) else None


@pytest.fixture
def store(tmp_path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


# --- entries -----------------------------------------------------------------------------------


def test_what_one_study_puts_another_takes(store, tmp_path):
    first = put(store, A, tmp_path / "first")
    second = taken(store, A, tmp_path / "second")
    assert second is not None
    assert first.values.samefile(second.values)
    assert second.index.read_text() == "index"
    (entry,) = store.entries()
    assert set(entry.users) == {str(first.values), str(second.values)}
    assert store.expects("0" * 8)
    assert store.expects("1" * 8)
    assert not store.expects("2" * 8)
    assert taken(store, B, tmp_path / "third") is None


@pytest.mark.parametrize("name", [VALUES, INDEX, "entry.json"])
def test_a_damaged_entry_is_not_taken_and_made_again(store, tmp_path, caplog, name):
    first = put(store, A, tmp_path / "first")
    path = store.root / "entries" / A / name
    path.write_bytes(path.read_bytes().replace(b"e", b"f", 1))
    assert taken(store, A, tmp_path / "second") is None
    assert "is damaged and is made again" in caplog.text
    assert not (tmp_path / "second/train.safetensors").exists()
    put(store, A, tmp_path / "second")
    # The study that had put it there sees the new file.
    assert first.values.read_text() == "values"


def test_a_job_that_is_killed_leaves_no_entry_and_no_lock(store, tmp_path):
    """It dies by SIGKILL when all is written and nothing has its name yet."""
    made = written(tmp_path / "first")
    files = [str(made.values), str(made.index)]
    code = f"""
import os, signal
from pathlib import Path
from spoofscope.feature_store import FeatureStore, Files
os.replace = lambda *paths: "entries" in str(paths[1]) and os.kill(os.getpid(), signal.SIGKILL)
files = Files(*map(Path, {files!r}))
store = FeatureStore({str(store.root)!r})
with store.claimed({A!r}):
    store.put({A!r}, files, "00000000", {RECORD!r})
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL
    left = list((store.root / "entries").iterdir())
    assert [path.name.startswith(f".{A}.") for path in left] == [True]
    assert store.entries() == []
    assert not store.expects("0" * 8)
    assert taken(store, A, tmp_path / "second") is None
    assert store.remove_leftovers() == 1
    assert put(store, A, tmp_path / "first").values.is_symlink()


def test_what_is_used_or_made_is_not_deleted(store, tmp_path):
    files = put(store, A, tmp_path / "first")
    assert not store.remove(A)
    files.values.unlink()
    with claim(A, store.root / SHARED):
        assert not store.remove(A)
    assert store.remove(A)
    assert store.entries() == []
    assert not store.expects("0" * 8)
    assert not store.remove(A)


def test_the_oldest_go_first_until_the_rest_fits(store, tmp_path):
    for age, address in enumerate((C, B, A)):
        files = put(store, address, tmp_path / address[:4], address)
        for path in (
            (store.root / "users" / address).iterdir(),
            [store.root / "entries" / address / "entry.json"],
        ):
            for mark in path:
                os.utime(mark, (1e9 - age, 1e9 - age))
        if address != B:
            files.values.unlink()
    entries = store.entries()
    assert [entry.address for entry in entries] == [A, B, C]
    total = sum(entry.n_bytes for entry in entries)
    assert unused_beyond(entries, total) == []
    assert [entry.address for entry in unused_beyond(entries, total - 1)] == [A]
    # That of B is in use, however little may stay.
    assert [entry.address for entry in unused_beyond(entries, 0)] == [A, C]


def test_command(store, tmp_path, capsys):
    assert main(["features", str(store.root)]) == 2
    assert "no store of features" in capsys.readouterr().err
    put(store, A, tmp_path / "first")
    put(store, B, tmp_path / "second").values.unlink()
    assert main(["features", str(store.root)]) == 0
    text = capsys.readouterr().out
    assert f"lfcc             used by {tmp_path}/first/train.safetensors" in text
    assert "may go: 1 entry, " in text
    assert len(store.entries()) == 2
    assert main(["features", str(store.root), "--remove"]) == 0
    assert "deleted: 1 entry, " in capsys.readouterr().out
    assert [entry.address for entry in store.entries()] == [A]
    assert main(["features", str(store.root), "--budget", "1e-9"]) == 1


# --- jobs --------------------------------------------------------------------------------------


def made_by_job(folder: Path, study: str, **changes: Any) -> bool:
    """Whether a job of a study made its features, and did not take them from the store."""
    values, index = folder / study / "train.safetensors", folder / study / "train.tsv"
    values.parent.mkdir(exist_ok=True)
    backbone = folder / "model.safetensors"
    backbone.write_text(changes.get("backbone", "weights"))
    clips = []
    for name in changes.get("order", ["a", "b"]):
        clip = folder / f"{name}.wav"
        clip.write_text(changes.get("content", name))
        clips.append((name, str(clip), sha256_file(clip)))
    if "altered" in changes:
        (folder / "a.wav").write_text("another since the manifest was made")
    made = []

    def make() -> None:
        made.append(True)
        values.write_text(study)
        write_table(str(index), pl.DataFrame({"utt_id": ["7"]}))

    snakemake = SimpleNamespace(
        config={"feature_store": str(folder / "store")},
        params=SimpleNamespace(cfg={"code": changes.get("code", "0" * 12)}),
        input=SimpleNamespace(backbone=[str(backbone)]),
        output=SimpleNamespace(values=str(values), index=str(index)),
    )
    settings = {"frontend": {"type": changes.get("frontend", "lfcc")}}
    from_store(snakemake, settings, clips, make)
    return bool(made)


def test_equal_work_is_done_once(tmp_path):
    assert made_by_job(tmp_path, "first")
    assert not made_by_job(tmp_path, "second")
    assert (tmp_path / "second/train.safetensors").read_text() == "first"
    # A table's text does not say that this column holds names.
    assert _output_record(str(tmp_path / "second/train.tsv"))["columns"] == {"utt_id": "string"}


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "another recording"},
        {"order": ["b", "a"]},
        {"order": ["a"]},
        {"backbone": "other weights"},
        {"code": "1" * 12},
        {"frontend": "mfcc"},
    ],
)
def test_whatever_decides_features_is_in_their_address(tmp_path, changes):
    assert made_by_job(tmp_path, "first")
    assert made_by_job(tmp_path, "second", **changes)
    assert len(FeatureStore(tmp_path / "store").entries()) == 2
    assert not made_by_job(tmp_path, "third")


def test_other_packages_make_other_features(tmp_path, monkeypatch):
    assert made_by_job(tmp_path, "first")
    monkeypatch.setattr("spoofscope.job.package_versions", lambda: {"torch": "0"})
    assert made_by_job(tmp_path, "second")


def test_features_of_another_recording_than_the_listed_one_are_not_shared(tmp_path, caplog):
    assert made_by_job(tmp_path, "first", altered=True)
    assert "a.wav is not the recording that the manifest lists" in caplog.text
    assert FeatureStore(tmp_path / "store").entries() == []
    assert made_by_job(tmp_path, "second")


# --- the plan ----------------------------------------------------------------------------------


def planned(edited: str = "", **changes: object) -> Plan:
    config = copy.deepcopy(read_config(MINI))
    for key, value in changes.items():
        place, *rest = key.split("__")
        if rest:
            config[place] = {**config[place], rest[0]: value}
        else:
            config[place] = value
    return plan_of(checked(config), Versions(edited))


def wildcards(plan: Plan) -> dict[str, str]:
    features = next(name for name in plan.features.ids if name.startswith("lfcc"))
    return {"features": features, "corpus": "mini", "split": "dev", "shard": "1-of-1"}


def test_a_plan_takes_what_a_job_of_the_same_lineage_has_left(store, tmp_path):
    other = planned(study="other", feature_store=str(store.root))
    job = other.features.extract_features.job(wildcards(other))
    nothing = other.features.stored(wildcards(other))
    assert not Path(nothing["manifest"]).exists()
    files = written(tmp_path / "first")
    with store.claimed(A):
        # As the job itself says it, `job.from_store`.
        store.put(A, files, hash8(job.params), RECORD)
    assert other.features.stored(wildcards(other)) == other.features.extract_features.inputs(
        wildcards(other)
    )
    mini = planned(feature_store=str(store.root))
    assert set(mini.features.stored(wildcards(mini))) == {"backbone", "manifest"}


@pytest.mark.parametrize(
    "changes",
    [
        {"edited": "extract_features"},
        {"edited": "manifest"},
        {"seed": 2},
        {"scatter_shards": {"dev": 2}},
        {"corpora__mini": {"type": "mini", "options": {"codecs": []}}},
        {"frontends__lfcc": {"type": "lfcc", "n_filters": 21}},
    ],
)
def test_another_lineage_is_expected_elsewhere(changes):
    """Code, seed, corpus, front-end; the cut of a split is in the name of a shard."""
    before, after = planned(), planned(**changes)
    shard = after.study.shard_names("dev")[0]
    origins = [
        plan.features.extract_features.job({**wildcards(plan), "shard": shard}).origin
        for plan in (before, after)
    ]
    if "scatter_shards" in changes:
        assert shard == "1-of-2"
    else:
        assert origins[0] != origins[1]


def test_a_store_changes_no_run_and_no_job(tmp_path):
    plain, sharing = planned(), planned(feature_store=str(tmp_path))
    assert list(plain.study.runs) == list(sharing.study.runs)
    assert [str(path) for path in plain.everything_kept()] == [
        str(path) for path in sharing.everything_kept()
    ]
    for run, seed in plain.study.run_seeds():
        if plain.study.run(run).kind == "detector":
            params = [plan.training.train(run, seed).params for plan in (plain, sharing)]
            assert params[0] == params[1]


def test_whether_a_backbone_normalises_decides_the_address_of_its_features():
    """The preprocessor says so, and it lies beside configuration and weights."""
    plan = planned()
    features = next(name for name in plan.features.ids if name.startswith("wavlm"))
    inputs = plan.features.extract_features.inputs({**wildcards(plan), "features": features})
    names = [Path(path).name for path in inputs["backbone"]]
    assert names == ["config.json", "model.safetensors", "preprocessor_config.json"]


@pytest.mark.parametrize("place", ["", "a{b}", "a\tb"])
def test_a_folder_that_no_rule_can_name(place):
    with pytest.raises(ConfigError, match="feature_store: "):
        planned(feature_store=place)
