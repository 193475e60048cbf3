"""Where published corpora are had: the table, `archives: published`, and the page."""

import copy
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from planning import plan_of
from spoofscope.corpora.download import Checksum, _check_address
from spoofscope.corpora.registry import CORPORA, source_of
from spoofscope.distribution import (
    NO_SIZE,
    Distribution,
    Size,
    distributions,
    of_noise,
    of_reader,
    published_archives,
    published_noise,
)
from spoofscope.errors import ConfigError
from spoofscope.needs import as_text, needs
from spoofscope.options.corpora.base import Archive
from spoofscope.plan.study_plan import checked
from spoofscope.study.references import transfer_of, used_by
from test_needs import STUDY

ROOT = Path(__file__).resolve().parents[1]
ALL = [pytest.param(one, id=one.name) for one in distributions()]


@pytest.mark.parametrize("one", ALL)
def test_what_the_table_says(one: Distribution) -> None:
    assert all((one.title, one.purpose, one.licence, one.parts))
    assert set(one.readers) <= set(CORPORA.available())
    assert one.obtain.startswith("https://") or any(map(source_of, one.readers))
    for part in one.parts:
        for url in filter(None, (part.url, *part.mirrors)):
            assert url.startswith("https://")
            _check_address(url)
        assert not (part.md5 and part.sha256)
        assert not (part.size and part.about)
        for digits, n in ((part.md5, 32), (part.sha256, 64)):
            assert not digits or re.fullmatch(f"[0-9a-f]{{{n}}}", digits)
        for size in (part.size, part.about):
            assert size is None or (type(size) is int and size > 0)
        assert type(part.verified) is bool
        assert bool(part.mirrors) <= bool(part.url)
        if part.verified:
            Checksum(part.sha256 or part.md5)
            # What a study file could say, too.
            assert Archive.from_dict(part.archive(), "x").url == part.url


def test_every_reader_of_published_data_is_there() -> None:
    readers = [reader for one in distributions() for reader in one.readers]
    assert len(readers) == len(set(readers))
    assert set(readers) == set(filter(source_of, CORPORA.available()))
    for kind in ("musan", "rirs"):
        given = of_noise(kind)
        assert given is not None
        assert given.name == kind


def test_pages_agree_on_what_reads_data() -> None:
    """The table of docs/tracing.md names no reader that docs/corpora.md does not."""
    readers = {one.title: {*one.readers, *filter(None, [one.read_as])} for one in distributions()}
    for one in distributions():
        assert not one.read_as or of_reader(one.read_as) not in (None, one)
    page = (ROOT / "docs/tracing.md").read_text(encoding="utf-8")
    told = set()
    for names, text in re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", page, flags=re.MULTILINE):
        for title in readers:
            if re.search(rf"\b{re.escape(title)}(?![\w-])", text):
                told.add(title)
                assert readers[title] & set(re.findall(r"`(\w+)`", names)), title
    assert "MLAAD-tiny" in told


def test_no_name_is_taken_twice_in_the_folder_of_downloads() -> None:
    names = [part.file for one in distributions() for part in one.parts if part.verified]
    assert len(names) == len(set(names))


def study_of(corpus: dict[str, Any]) -> dict[str, Any]:
    study = copy.deepcopy(STUDY)
    study["corpora"]["packed"] = corpus
    return study


def test_published_stands_for_the_parts() -> None:
    study = checked(study_of({"type": "asvspoof2019_la", "archives": "published"}))
    parts = published_archives("asvspoof2019_la", "here")
    assert study.corpora["packed"]["archives"] == parts
    assert parts == [
        {
            "url": "https://datashare.ed.ac.uk/server/api/core/bitstreams/"
            "a9f87c35-f055-4015-80e2-2fdff0d46269/content",
            "md5": "30c98f11d8b2bc21f2c257bfd78bb5c5",
            "size": 7640952520,
            "file": "LA.zip",
            "mirrors": [
                "https://datashare.ed.ac.uk/bitstreams/a9f87c35-f055-4015-80e2-2fdff0d46269/download"
            ],
        }
    ]
    # Written out, or without size, name and mirrors, it is the same corpus in the same folder.
    bare = [{key: parts[0][key] for key in ("url", "md5")}]
    for archives in (parts, bare):
        same = checked(study_of({"type": "asvspoof2019_la", "archives": archives}))
        assert same.corpus_identity("packed") == study.corpus_identity("packed")
        assert same.corpus_root("packed") == study.corpus_root("packed")


def test_published_noise_is_fetched_like_a_corpus() -> None:
    study = study_of({"type": "mini"})
    study["noise"] = {kind: {"archives": "published"} for kind in ("musan", "rirs")}
    study["chains"] = {"noisy": [{"effect": "musan"}, {"effect": "rir"}]}
    plan = plan_of(found := checked(study))
    targets = [str(product) for product in plan.corpora.downloads.products]
    assert len(targets) == 2
    for kind, target in zip(("musan", "rirs"), targets, strict=True):
        listed = plan.augmentation.list_noise(kind)
        assert [str(product) for product in listed.products] == [target]
        assert f"{found.noise_root(kind)}.json" == target
        parts = of_noise(kind).parts
        needed = [need for need in needs(found) if need.name == kind]
        assert [(need.fetched, need.size) for need in needed] == [(True, parts[0].amount)]
    with pytest.raises(ConfigError, match=r"noise\.musan"):
        checked({**study, "noise": {"musan": {"archives": "other"}}})


def test_a_mirror_more_makes_nothing_stale() -> None:
    parts = published_archives("asvspoof2019_la", "here")
    bare = [{key: parts[0][key] for key in ("url", "md5")}]
    jobs = []
    for archives in ("published", parts, bare):
        plan = plan_of(checked(study_of({"type": "asvspoof2019_la", "archives": archives})))
        manifest = plan.corpora.manifest("packed").params
        audit = plan.augmentation.audit_corpus("packed").params
        jobs.append((manifest, audit, plan.corpora.download(parts[0]["md5"]).params))
    assert jobs[0] == jobs[1] == jobs[2]


def test_what_helps_to_fetch() -> None:
    (part,) = published_archives("asvspoof2019_la", "here")
    whole = {key: part[key] for key in ("file", "mirrors", "size")}
    corpora: dict[str, Any] = {
        "mini": {"type": "mini"},
        "la": {"type": "asvspoof2019_la", "archives": "published"},
        "own": {"type": "folder", "archives": [{"url": "https://x.org/a", "sha256": "0" * 64}]},
    }
    assert transfer_of(part["md5"], corpora) == whole
    assert transfer_of("0" * 64, corpora) == {}
    assert transfer_of("1" * 64, corpora) == {}
    # What a study file says of an archive counts.
    corpora["la"]["archives"] = [{**part, "mirrors": ["https://x.org/LA.zip"]}]
    assert transfer_of(part["md5"], corpora)["mirrors"] == ["https://x.org/LA.zip"]


def test_which_entries_use_archives() -> None:
    own = [
        {"url": "https://x.org/a", "sha256": "0" * 64},
        {"url": "https://x.org/b", "md5": "1" * 32},
    ]
    config: dict[str, Any] = {
        "corpora": {
            "mini": {"type": "mini"},
            "la": {"type": "asvspoof2019_la", "archives": "published"},
            "own": {"type": "folder", "archives": own},
            "first": {"type": "folder", "archives": own[:1]},
            "{grid}": {"type": "folder", "archives": "{grid}"},
        },
        "noise": {"musan": {"archives": "published"}, "rirs": {"path": "x"}},
    }
    assert used_by(own, config) == ["corpora.own"]
    assert used_by(own[:1], config) == ["corpora.first"]
    assert used_by(published_archives("asvspoof2019_la", "here"), config) == ["corpora.la"]
    assert used_by(published_noise("musan", "here"), config) == ["noise.musan"]
    config["corpora"]["again"] = config["corpora"]["own"]
    assert used_by(own, config) == ["corpora.own", "corpora.again"]
    del config["noise"]
    assert used_by(published_noise("musan", "here"), config) == []


def test_what_a_program_cannot_fetch_is_refused() -> None:
    words = {
        "asvspoof2021_df": "checksum of ASVspoof2021_DF_eval_part03.tar.gz; give `path`",
        "stopa": "no verified address and checksum of STOPA.7z.001, STOPA.7z.002, STOPA.7z.003",
        "table": "nothing is published for corpora of type table; it works for asvspoof2019_la",
    }
    for corpus_type, message in words.items():
        options = {"file": "x.csv"} if corpus_type == "table" else {}
        corpus = {"type": corpus_type, "archives": "published", **options}
        with pytest.raises(ConfigError, match=re.escape(message)) as refused:
            checked(study_of(corpus))
        assert "corpora.packed.archives: " in str(refused.value)
    with pytest.raises(ConfigError, match=r"corpora\.packed\.archives.*published"):
        checked(study_of({"type": "stopa", "archives": "publisched"}))


def test_hindrances() -> None:
    fetched = {one.name for one in distributions() if not one.hindrance}
    assert fetched == {"asvspoof2019_la", "asvspoof2021_la", "asvspoof5", "musan", "rirs"}
    # Five, three and ten parts, as the README of the record lists them.
    names = [archive["file"] for archive in published_archives("asvspoof5", "here")]
    sets = {"T": "abcde", "D": "abc", "E": "abcdefghij"}
    parts = [f"flac_{name}_a{letter}.tar" for name, letters in sets.items() for letter in letters]
    assert names == ["ASVspoof5_protocols.tar.gz", *parts]


@pytest.mark.parametrize(
    "archive",
    [
        {"url": "https://x.org/a.zip"},
        {"url": "https://x.org/a.zip", "md5": "0" * 32, "sha256": "0" * 64},
    ],
)
def test_an_archive_has_one_checksum(archive: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="an archive needs one checksum: sha256 or md5"):
        checked(study_of({"type": "stopa", "archives": [archive]}))


def test_gigabytes_and_hours_of_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = checked(study_of({"type": "asvspoof2021_la", "archives": "published"}))
    found = needs(study)
    by_name = {need.name: need for need in found if need.kind != "archive"}
    assert [str(need.size) for need in found if need.kind == "archive"] == [
        "about 7.8 GB",
        "about 21 MB",
    ]
    assert by_name["musan"].size == Size(11_086_114_085)
    assert by_name["web"].size == Size(8_200_000_000, rounded=True)
    assert by_name["own"].size == NO_SIZE
    text = as_text(found).splitlines()
    # 11.086 GB at 12.5 MB/s are 887 s.
    assert "    11.1 GB, 15 min at 100 Mbit/s" in text
    # The backbone's size is not known, nor that of own recordings.
    assert text[-2:] == [
        "to be downloaded by the workflow: about 7.82 GB and more, 10 min at 100 Mbit/s",
        "to be downloaded by you: about 19.3 GB and more, 26 min at 100 Mbit/s",
    ]


def test_sizes_in_words() -> None:
    assert str(Size(34_500_000_000) + NO_SIZE) == "34.5 GB and more"
    assert str(NO_SIZE + NO_SIZE) == "size not known"
    assert str(Size(689_783)) == "0.69 MB"
    assert str(Size(8_000_000_000, rounded=True) + Size(1)) == "about 8 GB"


def test_the_page_is_current() -> None:
    page = runpy.run_path(str(ROOT / "docs/make_corpora.py"))["page"]()
    text = (ROOT / "docs/corpora.md").read_text(encoding="utf-8")
    assert text == page, "run: .venv/bin/python docs/make_corpora.py > docs/corpora.md"
    assert of_reader("stopa") is not None
