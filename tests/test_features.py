import copy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import safetensors
import torch
from hypothesis import given
from hypothesis import strategies as st

from noise_and_tones import write_corpus
from spoofscope import audio, tables
from spoofscope.errors import AudioError, ConfigError, DetectorError, TableError
from spoofscope.features import FeatureReader, bytes_of_windows, extract
from spoofscope.frontends import registry
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.inputs import check_features, policy_of
from spoofscope.plan.study_plan import checked
from spoofscope.shards.parts import shard_rows
from spoofscope.study import MINI
from spoofscope.study.reading import read_config
from spoofscope.windows import InputPolicy

# Networks this small are slower with several threads than with one.
torch.set_num_threads(1)


@pytest.fixture
def rows(tmp_path: Path) -> pl.DataFrame:
    return tables.read_manifest(write_corpus(tmp_path / "corpus", {"train": 7}))


def test_a_split_without_utterances_is_no_matter_of_shards(rows: pl.DataFrame) -> None:
    with pytest.raises(ConfigError, match=r"no utterances of this split.* needs train and dev"):
        shard_rows(rows.head(0), 0, 1)
    assert shard_rows(rows.head(0), 0, 1, may_be_empty=True).is_empty()


@given(
    durations=st.lists(st.floats(0.01, 100), min_size=1, max_size=40),
    n_shards=st.integers(1, 12),
)
def test_shards_cover_every_row_once_and_are_balanced(
    durations: list[float], n_shards: int
) -> None:
    rows = pl.DataFrame({"utt_id": range(len(durations)), "duration": durations})
    if n_shards > len(durations):
        with pytest.raises(ConfigError, match="use fewer shards"):
            shard_rows(rows, 0, n_shards)
        return
    shards = [shard_rows(rows, i, n_shards) for i in range(n_shards)]
    assert pl.concat(shards).equals(rows)
    assert all(shard.height for shard in shards)
    if len(durations) >= 4 * n_shards and max(durations) < sum(durations) / n_shards / 4:
        limit = sum(durations) / n_shards + max(durations)
        assert max(shard["duration"].sum() for shard in shards) <= limit * (1 + 1e-9)


def test_equal_durations_make_equal_shards() -> None:
    rows = pl.DataFrame({"duration": [0.1] * 30})
    assert [shard_rows(rows, i, 3).height for i in range(3)] == [10, 10, 10]
    with pytest.raises(ConfigError, match="0 to 2"):
        shard_rows(rows, 3, 3)


@pytest.mark.parametrize("length", [8000, None])
def test_cache_holds_what_the_front_end_computes(
    tmp_path: Path, rows: pl.DataFrame, length: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = InputPolicy(length=length)
    frontend = registry.build({"type": "lfcc", "normalise": "global"})
    expected = {}
    for utt_id, path in rows.select("utt_id", "path").iter_rows():
        windows = policy.windows(audio.read(path)[0])
        lengths = torch.full((1,), windows.values.shape[1])
        raw = [frontend.raw(torch.from_numpy(w[None]), lengths).values[0] for w in windows.values]
        expected[utt_id] = (windows, raw)

    decoded: list[str] = []
    read = audio.read
    monkeypatch.setattr("spoofscope.windows.read", lambda path: decoded.append(path) or read(path))
    extract(frontend, policy, rows, tmp_path / "f" / "train-0.safetensors", batch_size=3)
    assert decoded == rows["path"].to_list()

    reader = FeatureReader([tmp_path / "f" / "train-0.safetensors"])
    check_features(reader, frontend, policy_of(frontend, policy))
    index = pl.read_csv(tmp_path / "f" / "train-0.tsv", separator="\t")
    for utt_id, (windows, raw) in expected.items():
        values = reader[utt_id]
        assert [v.shape for v in values] == [tuple(r.shape) for r in raw]
        for mine, theirs in zip(values, raw, strict=True):
            assert mine.dtype == np.float32
            np.testing.assert_allclose(mine, theirs.numpy(), atol=1e-4)
        own = index.filter(pl.col("utt_id") == utt_id)
        assert own["start"].to_list() == windows.starts.tolist()
        assert own["valid"].to_list() == windows.valid.tolist()
        assert own["window"].to_list() == list(range(len(raw)))


def test_layers_come_back_in_their_order(tmp_path: Path, rows: pl.DataFrame) -> None:
    write_tiny_backbone(tmp_path / "b", "wavlm", {"hidden_size": 16, "layers": 2}, 1)
    backbone = {"family": "wavlm", "folder": str(tmp_path / "b")}
    frontend = registry.build({"type": "ssl", "backbone": backbone})
    policy = InputPolicy(length=8000)
    extract(frontend, policy, rows, tmp_path / "s.safetensors")
    clip = policy.windows(audio.read(rows["path"][0])[0]).values[:1]
    expected = frontend.raw(torch.from_numpy(clip), torch.tensor([8000])).values[0].numpy()
    values = FeatureReader([tmp_path / "s.safetensors"])[rows["utt_id"][0]][0]
    assert values.shape == (3, 24, 16)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_several_shards_read_as_one_and_bytes_repeat(tmp_path: Path, rows: pl.DataFrame) -> None:
    frontend, policy = registry.build({"type": "lfcc"}), InputPolicy(length=8000)
    for name in ("a", "b"):
        for i in range(2):
            shard = tmp_path / name / f"{i}.safetensors"
            extract(frontend, policy, shard_rows(rows, i, 2), shard)
    shards = [tmp_path / "a" / f"{i}.safetensors" for i in range(2)]
    for shard in shards:
        for file in (shard, shard.with_suffix(".tsv")):
            assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    reader = FeatureReader(shards)
    assert all(reader[utt_id] for utt_id in rows["utt_id"])
    with pytest.raises(TableError, match="'nobody'"):
        reader["nobody"]
    with pytest.raises(TableError, match="in another feature shard"):
        FeatureReader([shards[0], tmp_path / "b" / "0.safetensors"])
    with safetensors.safe_open(shards[0], framework="numpy") as file:
        assert file.get_slice("values").get_shape()[1:] == [1, 60]


def test_half_precision_halves_the_file(tmp_path: Path, rows: pl.DataFrame) -> None:
    frontend, policy = registry.build({"type": "lfcc"}), InputPolicy(length=8000)
    halved = registry.build({"type": "lfcc", "precision": "half"})
    extract(frontend, policy, rows, tmp_path / "full.safetensors")
    extract(halved, policy, rows, tmp_path / "half.safetensors")
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    data_bytes = FeatureReader([full])[rows["utt_id"][0]][0].nbytes
    assert full.stat().st_size - half.stat().st_size > data_bytes
    a, b = (FeatureReader([path])[rows["utt_id"][0]][0] for path in (full, half))
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
    assert b.dtype == np.float32
    # Either is read by a detector of the other: the front-end is the same.
    assert FeatureReader([half]).settings == FeatureReader([full]).settings
    n_bytes = bytes_of_windows(halved, policy, rows["duration"].to_list())
    assert 0 < half.stat().st_size - n_bytes < 20_000
    assert bytes_of_windows(frontend, policy, rows["duration"].to_list()) == 2 * n_bytes


@given(
    n=st.integers(1, 3000),
    length=st.one_of(st.none(), st.integers(400, 900)),
    hop=st.one_of(st.none(), st.integers(1, 400)),
    tail=st.sampled_from(["drop", "align"]),
    long=st.sampled_from(["crop", "window"]),
)
def test_windows_are_as_many_and_as_long_as_is_said(n, length, hop, tail, long):
    hop = hop if length else None
    policy = InputPolicy(length=length, hop=hop, tail=tail, long=long, min_samples=400)
    windows = policy.windows(np.ones(n, dtype=np.float32))
    assert [value.size for value in windows.values] == policy.window_lengths(n)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "lfcc", "cache": "none"}, "cache: none keeps none"),
        ({"type": "ssl", "fine_tune": "all", "backbone": "tiny_wavlm"}, "fine_tune: all keeps"),
    ],
)
def test_what_is_not_kept_has_no_precision(entry, message):
    config = copy.deepcopy(read_config(MINI))
    config["frontends"]["other"] = {**entry, "precision": "half"}
    with pytest.raises(ConfigError, match=rf"frontends\.other: precision is .*{message}"):
        checked(config)


def test_precision_and_states_are_in_the_ids_of_features_and_detectors():
    ids = set()
    for change in ({}, {"precision": "half"}, {"states": "last"}):
        config = copy.deepcopy(read_config(MINI))
        config["frontends"]["wavlm"] |= change
        study = checked(config)
        run = study.run_of("wavlm_mhfa").id
        ids |= {run, study.features_id(run)}
    assert len(ids) == 6


def test_features_of_other_settings_are_refused(tmp_path: Path, rows: pl.DataFrame) -> None:
    frontend, policy = registry.build({"type": "lfcc"}), InputPolicy(length=8000)
    extract(frontend, policy, rows[:3], tmp_path / "a.safetensors")
    extract(frontend, InputPolicy(length=9000), rows[3:], tmp_path / "b.safetensors")
    reader = FeatureReader([tmp_path / "a.safetensors"])
    other = registry.build({"type": "lfcc", "normalise": "utterance"})
    check_features(reader, other, policy)  # normalisation comes after the cache
    with pytest.raises(DetectorError, match="other settings"):
        check_features(reader, frontend, InputPolicy(length=9000))
    with pytest.raises(DetectorError, match="other settings"):
        check_features(reader, registry.build({"type": "lfcc", "hop": 160}), policy)
    with pytest.raises(DetectorError, match="different front-ends"):
        FeatureReader([tmp_path / "a.safetensors", tmp_path / "b.safetensors"])


def test_damaged_and_missing_files_are_refused(tmp_path: Path, rows: pl.DataFrame) -> None:
    shard = tmp_path / "a.safetensors"
    with pytest.raises(DetectorError, match="no such feature file"):
        FeatureReader([shard])
    with pytest.raises(DetectorError, match="at least one shard"):
        FeatureReader([])
    extract(registry.build({"type": "lfcc"}), InputPolicy(length=8000), rows, shard)
    whole, index = shard.read_bytes(), shard.with_suffix(".tsv").read_text()
    shard.write_bytes(whole[:-100])
    with pytest.raises(DetectorError, match="damaged"):
        FeatureReader([shard])
    shard.write_bytes(whole)
    shard.with_suffix(".tsv").write_text("".join(index.splitlines(keepends=True)[:-1]))
    with pytest.raises(TableError, match="not the index"):
        FeatureReader([shard])


def test_failed_extraction_leaves_nothing(tmp_path: Path, rows: pl.DataFrame) -> None:
    Path(rows["path"][4]).unlink()
    frontend, policy = registry.build({"type": "lfcc"}), InputPolicy(length=8000)
    with pytest.raises(AudioError, match=r"train4\.wav"):
        extract(frontend, policy, rows, tmp_path / "f" / "a.safetensors")
    assert list((tmp_path / "f").iterdir()) == []
    with pytest.raises(TableError, match="no utterances"):
        extract(frontend, policy, rows[:0], tmp_path / "a.safetensors")


def test_trained_front_end_is_not_cached(tmp_path: Path, rows: pl.DataFrame) -> None:
    write_tiny_backbone(tmp_path / "b", "wavlm", {"hidden_size": 16, "layers": 1}, 1)
    backbone = {"family": "wavlm", "folder": str(tmp_path / "b")}
    frontend = registry.build({"type": "ssl", "backbone": backbone, "fine_tune": "all"})
    with pytest.raises(ConfigError, match="fine_tune: none"):
        extract(frontend, InputPolicy(), rows, tmp_path / "a.safetensors")
