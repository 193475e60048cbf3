"""Odd tables, protocols and folders of corpora: every row is read, or one is named and refused."""

import gzip
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from spoofscope.corpora import registry
from spoofscope.corpora.audit import audit
from spoofscope.corpora.manifest import build_manifest
from spoofscope.errors import SpoofscopeError
from spoofscope.names import RESERVED, RESERVED_COLUMNS
from spoofscope.report.audit_page import write_audit
from spoofscope.tables import read_manifest, write_manifest, write_segments


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "clip.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(1600), 16000)
    return path


def put(root: Path, clip: Path, files: tuple[str, ...]) -> None:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip, path)


def rows_of(kind: str, root: Path, **options: object) -> dict[str, dict[str, str]] | str:
    """The rows of the manifest by id, once it was written, read and audited; or the refusal."""
    settings = {"type": kind, **options}
    try:
        corpus = registry.build(settings, root, key="own")
        manifest, problems = build_manifest(corpus, workers=1)
        write_manifest(root / "made/manifest.tsv", manifest)
        manifest = read_manifest(root / "made/manifest.tsv")
        found = audit(manifest, problems, None, {}, workers=1)
        write_audit(found, manifest, root / "made/audit.tsv", root / "made/audit.html", "own")
        segments = corpus.segments()
        if segments is not None:
            write_segments(root / "made/segments.tsv", segments)
    except SpoofscopeError as error:
        return " ".join(str(error).split())
    return {row["utt_id"]: row for row in manifest.iter_rows(named=True)}


def check(
    seen: Mapping[str, Mapping[str, Any]] | str, expected: str | list[str] | dict[str, str]
) -> None:
    """The refusal says something, or the ids are these, or the labels by id are."""
    if isinstance(expected, str):
        assert isinstance(seen, str), seen
        assert re.search(expected, seen), seen
        return
    assert not isinstance(seen, str), seen
    if isinstance(expected, list):
        assert sorted(seen) == sorted(expected)
    else:
        assert {name: row["label"] for name, row in seen.items()} == expected


HEAD = "path,label,attack,utt_id\n"
BODY = "a.wav,bonafide,,u1\nb.wav,spoof,x,u2\n"
C = HEAD + BODY
# All rows of the table below are read, each with its label.
EIGHT = {
    str(i): label
    for i, label in enumerate(
        ["bonafide", "spoof", "spoof", "spoof", "spoof", "bonafide", "spoof", "bonafide"]
    )
}
BOTH = {"u1": "bonafide", "u2": "spoof"}
THREE = ["u1", "u2", "u3"]
LINE = r"t\.csv: line"
# Eight rows; the quotation marks of rows 4 and 7 are stray, and enclose three rows together.
STRAY = """file,transcript,label
w/0.wav,good morning,bonafide
w/1.wav,"well, maybe",spoof
w/2.wav,{open}wait he said,spoof
w/3.wav,and then,spoof
w/4.wav,nothing else,spoof
w/5.wav,{close},bonafide
w/6.wav,good night,spoof
w/7.wav,see you,bonafide
"""


def stray(open: str, close: str) -> str:
    return (
        STRAY.format(open=open, close=close)
        .replace("file,", "path,")
        .replace("w/", "")
        .replace("transcript", "text")
    )


def third(row: str, head: str = HEAD) -> str:
    return f"{head}{BODY}{row}\n"


TABLES: dict[str, tuple[str | bytes, str | list[str] | dict[str, str]]] = {
    "good": (C, BOTH),
    "quotation marks in place": (stray("", '"see, you"'), EIGHT),
    "a quotation mark opens and another one closes later": (
        stray('"', 'hello she said"'),
        rf"{LINE} 4: a quoted field goes on over line 5, which looks like a row of its own",
    ),
    "a quotation mark opens two fields": (stray('"', '"hello she said'), EIGHT),
    "a quotation mark opens and none closes": (stray('"', "hello she said"), EIGHT),
    "a quotation mark closes and none opens": (stray("", 'hello she said"'), EIGHT),
    "a quotation mark opens before a delimiter": (
        stray('"so, ', "hello she said"),
        rf"{LINE} 4: its quotation marks do not .*, and as letters they leave 4 fields",
    ),
    "quoted and more": (
        stray('"so", said she, "', "hello"),
        rf"{LINE} 4: its quotation marks do not enclose whole fields",
    ),
    "blanks around quoted fields": (
        HEAD + BODY.replace(",x,", ', "x, y" ,'),
        rf"{LINE} 3: its quotation marks do not enclose",
    ),
    "blanks before quoted fields": (HEAD + BODY.replace(",x,", ', "x, y",'), BOTH),
    "quotation marks inside": (
        stray('he said "', 'hello "she" said'),
        EIGHT,
    ),
    "a quotation mark in front of the last row": (
        third('"c.wav,spoof,x,u3'),
        r'1 of 3 audio files .*/"c.wav: no such',
    ),
    "a quotation mark around two rows": (
        HEAD + '"' + BODY.replace("\n", '"\n', 2),
        rf"{LINE} 2: 1 fields where the header has 4",
    ),
    "quoted fields": (HEAD + BODY.replace("x", '"x"').replace("u1", '"u1"'), BOTH),
    "a quoted field over two lines": (
        C.replace("attack", "text").replace(",x,", ',"one\ntwo",'),
        BOTH,
    ),
    "a quoted row": (
        HEAD + '"a.wav,bonafide,,u1"\n',
        rf"{LINE} 2: 1 fields where the header has 4",
    ),
    "byte order mark": ("\ufeff" + C, BOTH),
    "line ends of Windows": (C.replace("\n", "\r\n"), BOTH),
    "line ends of old Macs": (
        C.replace("\n", "\r"),
        rf"{LINE} 1: a carriage return that ends no line",
    ),
    "mixed line ends": (C.replace("\n", "\r", 2), rf"{LINE} 1: a carriage return"),
    "UTF-16": (C.encode("utf-16"), "UTF-16 text; save it as UTF-8"),
    "UTF-16 without a mark": (C.encode("utf-16-le"), rf"{LINE} 1: it holds a NUL"),
    "Latin-1": (third("c.wav,spoof,\xfc,u3").encode("latin-1"), rf"{LINE} 4: not UTF-8 text"),
    "gzip": (gzip.compress(C.encode()), "compressed with gzip; unpack it"),
    "a spreadsheet": (b"PK\x03\x04" + bytes(50), "a zip archive or a spreadsheet"),
    "zeros": (bytes(1000), rf"{LINE} 1: it holds a NUL"),
    "empty": ("", "the table is empty, not even a header"),
    "header alone": (HEAD, "no utterances found"),
    "empty lines": ("\n\n" + C.replace("\n", "\n\n") + "\n", BOTH),
    "no line end at the end": (C.rstrip("\n"), BOTH),
    "blanks around names": (C.replace("path,label", " path , label"), BOTH),
    "blanks around fields": (C.replace(",", " , "), BOTH),
    "columns without names": (
        ",path,label,,utt_id\n0,a.wav,bonafide,,u1\n1,b.wav,spoof,,u2\n",
        BOTH,
    ),
    "delimiters at all ends": (C.replace("\n", ",\n"), BOTH),
    "a delimiter at the end of a row": (
        third("c.wav,spoof,x,u3,"),
        rf"{LINE} 4: 5 fields where the header has 4",
    ),
    "a row too short": (third("c.wav,spoof"), rf"{LINE} 4: 2 fields where the header has 4"),
    "a name twice": (C.replace("attack", "label"), rf"{LINE} 1: 2 columns are called 'label'"),
    "a name of before": (
        C.replace("attack", "system"),
        rf"{LINE} 1: the column 'system' is called 'attack' now",
    ),
    "a name twice but for blanks": (
        C.replace("attack", " label "),
        rf"{LINE} 1: 2 columns are called",
    ),
    "no path": (third(",spoof,x,u3"), rf"{LINE} 4: column 'path' is empty"),
    "no label": (third("c.wav,,x,u3"), rf"{LINE} 4: column 'label' is empty"),
    "another label": (third("c.wav,fake,x,u3"), rf"{LINE} 4: unknown label 'fake'"),
    "a label in capitals": (third("c.wav,Spoof,x,u3"), rf"{LINE} 4: unknown label 'Spoof'"),
    "a label that is a number": (third("c.wav,1,x,u3"), rf"{LINE} 4: unknown label '1'"),
    "an id twice": (third("c.wav,spoof,x,u2"), "more than once, the first is 'u2'"),
    "a path twice": (third("b.wav,spoof,x,u3"), THREE),
    "a path of both classes": (
        third("b.wav,bonafide,,u3"),
        r"b\.wav: .* lists it as bonafide and as spoof",
    ),
    "an id with blanks around": (third("c.wav,spoof,x, u3 "), THREE),
    "an id with a slash": (
        third("c.wav,spoof,x,../../../tmp/evil"),
        ["u1", "u2", "../../../tmp/evil"],
    ),
    "an id with a line break": (
        third('c.wav,spoof,x,"u\n3"'),
        rf"{LINE} 4: column 'utt_id' holds a tab or a line break",
    ),
    "an id with a tab": (third('c.wav,spoof,x,"u\t3"'), rf"{LINE} 4: column 'utt_id' holds a tab"),
    "an id with a NUL": (third("c.wav,spoof,x,u\0003"), rf"{LINE} 4: it holds a NUL"),
    "an id with a quotation mark": (third('c.wav,spoof,x,"u""3"'), ["u1", "u2", 'u"3']),
    **{
        f"an id with U+{ord(c):04X}": (third(f"c.wav,spoof,x,u{c}3"), ["u1", "u2", f"u{c}3"])
        for c in "\u2028\u2029\x85\x0b\x0c\x1c\xa0\u200b\x1b"
    },
    **{
        f"an id {name[:20]}": (third(f"c.wav,spoof,x,{name}"), ["u1", "u2", name])
        for name in (
            "=cmd|' /C calc'!A0",
            "<script>alert(1)</script>",
            "$(touch x)",
            "%s%n",
            "{x}",
            "[a]*?",
            "~",
            "-rf",
            "u" * 5000,
            "\u5408\u6210",
        )
    },
    "a field of 200,000 letters": (
        third("c.wav,spoof,x," + "u" * 200_000),
        ["u1", "u2", "u" * 200_000],
    ),
    "a quoted field of 200,000 letters": (
        third('c.wav,spoof,x,"' + "u" * 200_000 + '"'),
        rf"{LINE} 4: a quoted field of more than 131,072 characters",
    ),
    "a path outside": (
        third("../../../../../../../../etc/passwd,spoof,x,u3"),
        "1 of 3 audio files .*etc/passwd",
    ),
    "an address": (
        third("http://127.0.0.1:1/x.wav,spoof,x,u3"),
        "1 of 3 audio files .*x.wav: no such",
    ),
    "a protocol of FFmpeg": (
        third("concat:a.wav|b.wav,spoof,x,u3"),
        "1 of 3 audio files .*no such",
    ),
    "a tilde": (third("~/c.wav,spoof,x,u3"), "1 of 3 audio files .*no such"),
    "a pattern": (third("[c].wav,spoof,x,u3"), "1 of 3 audio files .*no such"),
    **{
        f"an attack {word!r}": (
            third(f"c.wav,spoof,{word},u3"),
            rf"{LINE} 4: an attack cannot be called",
        )
        for word in (
            *(*RESERVED, "ALL", "Bona-Fide", "bona fide", "Pooled", "all_"),
            # What shows the same letters: Cyrillic, Greek, full width, with marks of no width.
            *(
                "\u0430ll",
                "b\u043ena fide",
                "\u03a1ooled",
                "\uff41\uff4c\uff4c",
                "\U0001d41a\U0001d425\U0001d425",
            ),
            *("\ufeffbonafide", "bona\u200bfide", "\u2013", "all\u00a0spoofs", "sp\u00adoof"),
            *("macro average", "[Macro Average]", "mean of unseen", "'all'"),
        )
    },
    **{
        f"an attack {word!r}": (third(f"c.wav,spoof,{word},u3"), THREE)
        for word in (
            *("allophone", "none", "unknown", "(macro)", "bonafide2", "spoofer"),
            *("A11", "\u5408\u6210", "\u0430\u043b", "\u00e0ll", "?", "*", "()"),
        )
    },
    "a reserved word where nothing is spoofed": (C.replace("fide,,", "fide,bonafide,"), BOTH),
    **{
        f"a level {word!r}": (
            C.replace("attack", "codec").replace(",x,", f",{word},"),
            r"line [23]: column 'codec': .* cannot be a level",
        )
        for word in (*RESERVED[1:], "All")
    },
    **{
        f"a condition {word!r}": (
            C.replace("attack", word),
            "cannot be a condition",
        )
        for word in (*RESERVED_COLUMNS[3:], "s\u0441ore", "\uff4cevel")
    },
    "a condition with a tab": (
        'path,label,"a\tb"\na.wav,bonafide,1\nb.wav,spoof,2\n',
        r"a condition's column cannot be called 'a\\tb'",
    ),
    "a condition with a line break": (
        'path,label,"a\nb"\na.wav,bonafide,1\nb.wav,spoof,2\n',
        rf"{LINE} 1: a quoted field goes on over line 2",
    ),
    "durations of others": (C.replace("attack", "duration").replace(",x,", ",9,"), BOTH),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables(case: str, tmp_path: Path, clip: Path) -> None:
    content, expected = TABLES[case]
    names = ("a", "b", "c", *map(str, range(8)))
    put(tmp_path, clip, tuple(f"{name}.wav" for name in names))
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    check(rows_of("table", tmp_path, file="t.csv"), expected)


def test_the_duration_is_measured(tmp_path: Path, clip: Path) -> None:
    put(tmp_path, clip, ("a.wav",))
    (tmp_path / "t.csv").write_text("path,label,duration,sample_rate\na.wav,spoof,99,8\n")
    seen = rows_of("table", tmp_path, file="t.csv")
    assert not isinstance(seen, str)
    assert (seen["a"]["duration"], seen["a"]["sample_rate"]) == (0.1, 16000)


OTHERS: dict[str, tuple[str, str, str | list[str] | dict[str, str]]] = {
    "tabs": (".tsv", C.replace(",", "\t"), BOTH),
    "a quotation mark among tabs": (".tsv", third('c.wav,spoof,"x,u3').replace(",", "\t"), THREE),
    "bars": (".psv", C.replace(",", "|"), BOTH),
    "bars at the end": (
        ".psv",
        third("c.wav,spoof,x,u3,").replace(",", "|"),
        "line 4: 5 fields where the header has 4",
    ),
    "a transcript with a bar": (
        ".psv",
        third("c.wav,spoof,x|y,u3").replace(",", "|"),
        "line 4: 5 fields",
    ),
    "tabs in CSV": (".csv", C.replace(",", "\t"), "line 1: no column 'path'"),
    "semicolons in CSV": (".csv", C.replace(",", ";"), "line 1: no column 'path'"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_tables_with_other_delimiters(case: str, tmp_path: Path, clip: Path) -> None:
    suffix, content, expected = OTHERS[case]
    put(tmp_path, clip, ("a.wav", "b.wav", "c.wav"))
    (tmp_path / f"t{suffix}").write_text(content)
    check(rows_of("table", tmp_path, file=f"t{suffix}"), expected)


OPTIONS: dict[str, tuple[dict[str, Any], str | list[str] | dict[str, str]]] = {
    **{
        f"path_format {text}": ({"path_format": text}, r"path_format: .* must hold \{path\}")
        for text in (
            "{path.__class__}",
            "{path!r}",
            "{path:>99999999}",
            "{0}",
            "{",
            "x",
            "{path}{}",
        )
    },
    "path_format": ({"path_format": "./{path}"}, BOTH),
    "columns from the right": ({"columns": {"path": -1, "label": 1}}, "counted from 0"),
    "columns beyond the table": (
        {"columns": {"path": 0, "label": 99}},
        "line 1: 4 fields where 100 are needed",
    ),
    "columns that are true": (
        {"columns": {"path": True, "label": False}},
        r"columns\.path must be a text or an integer, not True",
    ),
    "columns with blanks": (
        {"columns": {"path": " path", "label": "label ", "utt_id": "utt_id"}},
        BOTH,
    ),
    "a table outside": ({"file": "../t.csv"}, r"\.\./t\.csv: not found"),
    "a table that is a folder": ({"file": "."}, r"delimiter: it must be one character"),
    "segments that are none": (
        {"segments": "t.csv"},
        r"t\.csv: line 1: column 'utt_id' is missing",
    ),
    "a line end as delimiter": ({"delimiter": "\n"}, "delimiter: it must be one character"),
    "a quotation mark as delimiter": ({"delimiter": '"'}, "delimiter: it must be one character"),
    "semicolons": ({"file": "s.csv", "delimiter": ";"}, BOTH),
    "blanks": (
        {"file": "p.txt", "delimiter": " ", "columns": {"path": 0, "label": 1, "utt_id": 2}},
        BOTH,
    ),
    "a pattern as table": ({"file": "[t].csv"}, r"\[t\]\.csv: not found"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_of_tables(case: str, tmp_path: Path, clip: Path) -> None:
    options, expected = OPTIONS[case]
    put(tmp_path, clip, ("a.wav", "b.wav"))
    (tmp_path / "t.csv").write_text(C)
    (tmp_path / "s.csv").write_text(C.replace(",", ";").replace("u2", '"u2"'))
    (tmp_path / "p.txt").write_text("a.wav bonafide  u1\n\n b.wav\tspoof\tu2 more\n")
    check(rows_of("table", tmp_path, **{"file": "t.csv", **options}), expected)


SEGMENTS = "utt_id\tstart\tend\ttier\tlabel\nu2\t0\t0.05\tartefact\tx\n"
BAD_SEGMENTS: dict[str, tuple[str | bytes, str | dict[str, str]]] = {
    "good": (SEGMENTS, BOTH),
    "a tier of another name": (
        SEGMENTS.replace("artefact", "bonafide"),
        "line 2: column 'tier': unknown value 'bonafide'",
    ),
    "nan": (SEGMENTS.replace("0.05", "nan"), "line 2: column 'end': 'nan' is not a finite number"),
    "too large": (SEGMENTS.replace("0.05", "1e400"), "line 2: column 'end': '1e400' is not"),
    "a decimal comma": (SEGMENTS.replace("0.05", "0,05"), "line 2: column 'end': '0,05' is not"),
    "turned": (SEGMENTS.replace("0\t0.05", "0.05\t0"), "line 2: segment from 0.05 to 0.0 s"),
    "a row too short": (SEGMENTS + "u2\t0\n", "line 3: 2 fields where the header has 5"),
    "UTF-16": (SEGMENTS.encode("utf-16"), "UTF-16 text"),
    "a NUL": (SEGMENTS.replace("x", "\0"), "line 2: it holds a NUL"),
}


@pytest.mark.parametrize("case", BAD_SEGMENTS)
def test_segments(case: str, tmp_path: Path, clip: Path) -> None:
    content, expected = BAD_SEGMENTS[case]
    put(tmp_path, clip, ("a.wav", "b.wav"))
    (tmp_path / "t.csv").write_text(C)
    (tmp_path / "s.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    check(rows_of("table", tmp_path, file="t.csv", segments="s.tsv"), expected)


GOOD = ("bonafide/a.wav", "bonafide/b.wav", "spoof/x/c.wav")
FOLDERS: dict[str, tuple[tuple[str, ...], dict[str, Any], str | list[str]]] = {
    "good": ((), {}, ["bonafide-a", "bonafide-b", "spoof-x-c"]),
    **{
        f"an attack {word!r}": (
            (f"spoof/{word}/d.wav",),
            {},
            "rename this folder.*an attack cannot be called",
        )
        for word in ("-", "bonafide", "all", "Pooled", "(macro average)", "spoof")
    },
    **{
        f"an attack {word!r}": (
            (f"spoof/{word}/d.wav",),
            {},
            ["bonafide-a", "bonafide-b", "spoof-x-c", f"spoof-{word}-d"],
        )
        for word in ("<script>", "$x_{", "=cmd", "x ", "x\xa0", "[x]", "{y}", "none")
    },
    **{
        f"a name {word!r}": (
            (f"spoof/x/{word}.wav",),
            {},
            ["bonafide-a", "bonafide-b", "spoof-x-c", f"spoof-x-{word}"],
        )
        for word in ("$(touch x)", "-rf", " d ", "[c]", "~", "a'b\"")
    },
    "a suffix in capitals": (
        ("spoof/x/D.WAV",),
        {},
        ["bonafide-a", "bonafide-b", "spoof-x-c", "spoof-x-D"],
    ),
    "two names that give one id": (
        ("spoof/x-y/z.wav", "spoof/x/y-z.wav"),
        {},
        "more than once, the first is 'spoof-x-y-z'",
    ),
    "a line break in a name": (("spoof/x/a\nb.wav",), {}, "line break"),
    "a tab in a name": (("spoof/x/a\tb.wav",), {}, "tab"),
    **{
        f"fractions {value!r}": (
            (),
            {"fractions": {"train": value, "eval": 0.5}},
            "fractions: (train must be a number|they add up to)",
        )
        for value in (float("nan"), float("inf"), -0.5, "0.5", True, None, 0.6)
    },
    **{
        f"a speaker {pattern!r}": ((), {"speaker": pattern}, expected)
        for pattern, expected in (
            ("a", "needs a group"),
            ("(", "no regular expression"),
            ("(zzz)", "finds nothing"),
        )
    },
}


@pytest.mark.parametrize("case", FOLDERS)
def test_folders(case: str, tmp_path: Path, clip: Path) -> None:
    files, options, expected = FOLDERS[case]
    put(tmp_path, clip, (*GOOD, *files))
    check(rows_of("folder", tmp_path, **options), expected)


def test_folders_without_recordings(tmp_path: Path, clip: Path) -> None:
    check(rows_of("folder", tmp_path), "no audio in bonafide/ or spoof/<attack>/")
    put(tmp_path, clip, ("spoof/x/c.wav",))
    check(rows_of("folder", tmp_path), ["spoof-x-c"])


def test_links_that_lead_nowhere(tmp_path: Path, clip: Path) -> None:
    put(tmp_path, clip, GOOD)
    (tmp_path / "spoof/x/loop").symlink_to("..")
    check(rows_of("folder", tmp_path), ["bonafide-a", "bonafide-b", "spoof-x-c"])
    for name, make in (
        ("dead", lambda p: p.symlink_to("nowhere.wav")),
        ("pipe", os.mkfifo),
        ("zero", lambda p: p.symlink_to("/dev/zero")),
    ):
        path = tmp_path / f"spoof/x/{name}.wav"
        make(path)
        check(rows_of("folder", tmp_path), "1 of 4 audio files")
        check(
            rows_of("folder", tmp_path, on_bad_audio="exclude"),
            ["bonafide-a", "bonafide-b", "spoof-x-c"],
        )
        path.unlink()


# A corpus' kind, its protocol, the folders that it needs, the content, and what is expected.
KEY = "S1 u1 alaw - bonafide bonafide notrim eval\nS1 u2 alaw x A07 spoof notrim eval\n"
PROTOCOLS: dict[str, tuple[str, str, str | bytes, str | dict[str, str]]] = {
    "good": ("asvspoof2021_la", "keys/LA/CM/trial_metadata.txt", KEY, BOTH),
    "tabs": ("asvspoof2021_la", "keys/LA/CM/trial_metadata.txt", KEY.replace(" ", "\t"), BOTH),
    "empty lines": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        "\n" + KEY.replace("\n", "\n\n"),
        BOTH,
    ),
    "line ends of Windows": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.replace("\n", "\r\n"),
        BOTH,
    ),
    "line ends of old Macs": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.replace("\n", "\r"),
        "line 1: a carriage return",
    ),
    "UTF-16": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.encode("utf-16"),
        "UTF-16 text",
    ),
    "gzip": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        gzip.compress(KEY.encode()),
        "compressed with gzip",
    ),
    "a NUL": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.replace("u2", "u\0"),
        "line 2: it holds a NUL",
    ),
    "a line too short": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY + "S1 u3 alaw\n",
        "line 3: 3 fields, expected 8",
    ),
    "a line separator within": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.replace("alaw x", "al\u2028aw x"),
        BOTH,
    ),
    "an attack 'all'": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.replace("A07", "all"),
        "line 2: an attack cannot be called 'all'",
    ),
    "an attack of bona fide speech": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.replace("- bonafide bonafide", "- A07 bonafide"),
        "line 1: label 'bonafide' with the attack 'A07'",
    ),
    "a spoof without attack": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.replace("A07", "-"),
        "line 2: label 'spoof' with the attack '-'",
    ),
    "a label of another name": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.replace("A07 spoof", "A07 fake"),
        "line 2: unknown label 'fake'",
    ),
    "an id twice": (
        "asvspoof2021_la",
        "keys/LA/CM/trial_metadata.txt",
        KEY.replace("u2", "u1"),
        "more than once",
    ),
    "a table of In-the-Wild": (
        "in_the_wild",
        "meta.csv",
        "file,speaker,label\nu1.wav,A,bona-fide\nu2.wav,B,spoof\n",
        BOTH,
    ),
    "its row too short": (
        "in_the_wild",
        "meta.csv",
        "file,speaker,label\nu1.wav,A\n",
        "line 2: 2 fields where the header has 3",
    ),
    "its row too long": (
        "in_the_wild",
        "meta.csv",
        "file,speaker,label\nu1.wav,A,spoof,x\n",
        "line 2: 4 fields where",
    ),
    "its stray quotation mark": (
        "in_the_wild",
        "meta.csv",
        'file,speaker,label\nu1.wav,"A,bona-fide\nu2.wav,B",spoof\n',
        "line 2: a quoted field goes on over line 3",
    ),
    "its column twice": (
        "in_the_wild",
        "meta.csv",
        "file,label,speaker,label\nu1.wav,spoof,A,bona-fide\n",
        "line 1: column 'label' is there twice",
    ),
    "its label of another name": (
        "in_the_wild",
        "meta.csv",
        "file,speaker,label\nu1.wav,A,fake\n",
        "line 2: unknown label 'fake'",
    ),
    "its empty lines": (
        "in_the_wild",
        "meta.csv",
        "file,speaker,label\n\nu1.wav,A,bona-fide\n\nu2.wav,B,spoof\n\n",
        BOTH,
    ),
}


@pytest.mark.parametrize("case", PROTOCOLS)
def test_protocols(case: str, tmp_path: Path, clip: Path) -> None:
    kind, name, content, expected = PROTOCOLS[case]
    put(tmp_path, clip, ("u1.wav", "u2.wav"))
    flac = tmp_path / "ASVspoof2021_LA_eval/flac"
    flac.mkdir(parents=True)
    for utt_id in ("u1", "u2"):
        soundfile.write(flac / f"{utt_id}.flac", soundfile.read(clip)[0], 16000)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    check(rows_of(kind, tmp_path), expected)


def test_metadata_of_generators(tmp_path: Path, clip: Path) -> None:
    put(tmp_path, clip, ("A_real/1.wav", "B_x/1.wav", "B_x/2.wav", "A_real/2.wav"))
    lines = [
        "path,split,speaker",
        *(
            f"{name},{split},S"
            for name, split in (
                ("A_real/1.wav", "train"),
                ("B_x/1.wav", "train"),
                ("A_real/2.wav", "eval"),
                ("B_x/2.wav", "eval"),
            )
        ),
    ]
    for content, expected in (
        (lines, ["A_real-1", "A_real-2", "B_x-1", "B_x-2"]),
        ([*lines[:2], '"B_x/1.wav,train,S', *lines[3:]], r"B_x/1.wav: not listed"),
        (
            [*lines[:2], '"B_x/1.wav,train,S', 'A_real/2.wav,eval,S"', *lines[4:]],
            "line 3: a quoted field goes on over line 4",
        ),
        ([*lines[:2], "B_x/1.wav,train", *lines[3:]], "line 3: 2 fields where the header has 3"),
        (["path,split,split", *lines[1:]], "line 1: column 'split' is there twice"),
    ):
        (tmp_path / "m.csv").write_text("\n".join(content) + "\n")
        check(rows_of("wavefake", tmp_path, metadata="m.csv"), expected)
    (tmp_path / "B_x").rename(tmp_path / "B_pooled")
    check(
        rows_of("wavefake", tmp_path, fractions={"eval": 1}),
        "rename this folder: an attack cannot be called 'pooled'",
    )
