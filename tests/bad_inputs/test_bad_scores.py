"""Score files and lists of trials that are odd: the right number, or a refusal in one line."""

import gzip
import json
import os
import re
from pathlib import Path

import pytest

from spoofscope.cli import main
from spoofscope.errors import TableError
from spoofscope.gathering import gather_scores
from spoofscope.names import RESERVED, RESERVED_COLUMNS

N = 20
TRIALS = ["utt_id\tlabel\tcodec"] + [
    f"{c}{i}\t{label}\t{'ab'[i % 2]}"
    for c, label in (("b", "bonafide"), ("s", "spoof"))
    for i in range(N)
]
SCORES = (
    ["utt_id\tscore"]
    + [f"b{i}\t{i / 10 + 0.3!r}" for i in range(N)]
    + [f"s{i}\t{i / 10 - 1!r}" for i in range(N)]
)
# EER of the scores above, and with a single other score of b2 (line 4).
AS_THEY_ARE = 0.2


def text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def with_line(lines: list[str], number: int, new: str) -> bytes:
    return text([*lines[: number - 1], new, *lines[number:]])


def score(field: str) -> bytes:
    return with_line(SCORES, 4, f"b2\t{field}")


def level(name: str) -> bytes:
    return text(TRIALS).replace(b"\ta\n", f"\t{name}\n".encode())


def column(name: str) -> bytes:
    return text(TRIALS).replace(b"codec", name.encode())


def judged(
    folder: Path, capsys: pytest.CaptureFixture[str], scores: object, trials: object, *options: str
) -> float | str:
    """The pooled EER, or the one line of the refusal."""
    paths = []
    for name, content in (("s.tsv", scores), ("t.tsv", trials)):
        path = content if isinstance(content, str) else str(folder / name)
        if isinstance(content, bytes):
            Path(path).write_bytes(content)
        paths.append(path)
    code = main(
        [
            "metrics",
            "--scores",
            paths[0],
            "--trials",
            paths[1],
            "--bootstrap",
            "0",
            "--json",
            *options,
        ]
    )
    out, err = capsys.readouterr()
    if code == 0:
        return json.loads(out)["pooled"]["eer"]
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "Traceback" not in err
    return err


T, S = text(TRIALS), text(SCORES)
FILE = r"[st]\.tsv: line"
NUMBER = rf"{FILE} 4: column 'score': .* is not a finite number"

CASES: dict[str, tuple[object, object, str | float]] = {
    "good": (S, T, AS_THEY_ARE),
    **{
        f"score {field!r}": (score(field), T, NUMBER)
        for field in (
            "nan",
            "-inf",
            "Infinity",
            "1e400",
            "",
            "abc",
            " 0.5 ",
            "0,5",
            "1.000,5",
            "1 000",
            "1_000",
            "0x1p3",
            "true",
            "\u22121.5",
            "\uff11",
            "\u0661",
            "1e",
            "--1",
            "1.2.3",
            "\u221e",
            "0.5%",
            "5e5e5",
        )
    },
    **{f"score {field!r}": (score(field), T, 0.15) for field in ("+.5e1", "5.", "1e308")},
    **{
        f"score {field!r}": (score(field), T, AS_THEY_ARE)
        for field in ("1e-320", "0.50000000000000000000000000000000001")
    },
    "utterance missing": (text(SCORES[:-1]), T, r"lacks 1 of the trials in .*: 's19'"),
    "utterance more": (S + b"x\t1\n", T, r"has 1 ids that are no trials of .*: 'x'"),
    "utterance twice": (S + b"b1\t0.4\n", T, r"'b1' is there twice \(lines 3, 42\)"),
    "trial twice": (S, T + b"b1\tbonafide\ta\n", r"'b1' is there twice \(lines 3, 42\)"),
    "a blank behind an id": (with_line(SCORES, 4, "b2 \t0.5"), T, "lacks 1 of the trials"),
    "an id in capitals": (with_line(SCORES, 4, "B2\t0.5"), T, "lacks 1 of the trials"),
    "an id composed otherwise": (
        with_line(SCORES, 4, "b\u0301\t1"),
        with_line(TRIALS, 4, "\u1e03\tbonafide\ta"),
        "lacks 1 of the trials",
    ),
    "byte order mark": (b"\xef\xbb\xbf" + S, b"\xef\xbb\xbf" + T, AS_THEY_ARE),
    "line ends of Windows": (S.replace(b"\n", b"\r\n"), T.replace(b"\n", b"\r\n"), AS_THEY_ARE),
    "line ends of old Macs": (
        S.replace(b"\n", b"\r"),
        T,
        rf"{FILE} 1: a carriage return that ends no line",
    ),
    "a carriage return in an id": (
        with_line(SCORES, 4, "b\r2\t0.5"),
        T,
        rf"{FILE} 4: a carriage return",
    ),
    "UTF-16": (S.decode().encode("utf-16"), T, "UTF-16 text; save it as UTF-8"),
    "UTF-16 with the bytes turned": (
        b"\xfe\xff" + S.decode().encode("utf-16-be"),
        T,
        "UTF-16 text",
    ),
    "UTF-16 without a mark": (S.decode().encode("utf-16-le"), T, rf"{FILE} 1: it holds a NUL"),
    "UTF-32": (S.decode().encode("utf-32"), T, "UTF-16 text|NUL"),
    "Latin-1": (
        with_line(SCORES, 4, "b\xfc\t1").decode().encode("latin-1"),
        T,
        rf"{FILE} 4: not UTF-8 text",
    ),
    "gzip": (gzip.compress(S), T, "compressed with gzip; unpack it"),
    "gzip of trials": (S, gzip.compress(T), "compressed with gzip; unpack it"),
    "a spreadsheet": (b"PK\x03\x04" + bytes(50), T, "a zip archive or a spreadsheet"),
    "a NUL": (with_line(SCORES, 4, "b2\0\t0.5"), T, rf"{FILE} 4: it holds a NUL"),
    "random bytes": (bytes(range(128, 256)) * 20, T, rf"{FILE} 1: not UTF-8 text"),
    "empty": (b"", T, r"s\.tsv: the table is empty, not even a header"),
    "line ends alone": (b"\n\n\n", T, "the table is empty, not even a header"),
    "header alone": (b"utt_id\tscore\n", T, "the score file has no scores"),
    "trials without a row": (S, b"utt_id\tlabel\n", "the list has no trials"),
    "no header": (
        text(SCORES[1:]),
        T,
        r"line 1: column 'utt_id' is missing; the header has b0, 0\.3",
    ),
    "commas": (S.replace(b"\t", b","), T, "line 1: column 'utt_id' is missing"),
    "blanks": (S.replace(b"\t", b" "), T, "line 1: column 'utt_id' is missing"),
    "an empty line between": (with_line(SCORES, 6, ""), T, rf"{FILE} 6: an empty line; remove it"),
    "an empty line in front": (b"\n" + S, T, rf"{FILE} 1: an empty line; remove it"),
    "a line of blanks": (
        with_line(SCORES, 6, "  "),
        T,
        rf"{FILE} 6: 1 fields where the header has 2",
    ),
    "empty lines at the end": (S + b"\n\n\r\n", T + b"\n", AS_THEY_ARE),
    "no line end at the end": (S.rstrip(b"\n"), T.rstrip(b"\n"), AS_THEY_ARE),
    "a comment": (b"# scores\n" + S, T, "line 1: column 'utt_id' is missing"),
    "an id in quotation marks": (with_line(SCORES, 4, '"b2"\t0.5'), T, "lacks 1 of the trials"),
    "a quotation mark in an id": (
        with_line(SCORES, 4, 'b2"\t0.5'),
        with_line(TRIALS, 4, 'b2"\tbonafide\ta'),
        AS_THEY_ARE,
    ),
    "a quotation mark before an id": (
        with_line(SCORES, 4, '"b2\t0.5'),
        with_line(TRIALS, 4, '"b2\tbonafide\ta'),
        AS_THEY_ARE,
    ),
    "a row too long": (
        with_line(SCORES, 4, "b2\t0.5\tx"),
        T,
        rf"{FILE} 4: 3 fields where the header has 2",
    ),
    "a delimiter at the end of a row": (
        with_line(SCORES, 4, "b2\t0.5\t"),
        T,
        rf"{FILE} 4: 3 fields where the header has 2",
    ),
    "delimiters at all ends": (S.replace(b"\n", b"\t\n"), T, AS_THEY_ARE),
    "a row too short": (
        with_line(SCORES, 4, "b2"),
        T,
        rf"{FILE} 4: 1 fields where the header has 2",
    ),
    "a column twice": (
        S.replace(b"utt_id\tscore", b"utt_id\tscore\tscore").replace(b"\tscore\n", b"\tscore\n", 1),
        T,
        "line 1: column 'score' is there twice",
    ),
    "no id column": (
        S.replace(b"utt_id\tscore", b"score\tscore"),
        T,
        "line 1: column 'utt_id' is missing",
    ),
    "columns turned": (
        text(["\t".join(reversed(line.split("\t"))) for line in SCORES]),
        T,
        AS_THEY_ARE,
    ),
    "blanks around names": (S.replace(b"utt_id\tscore", b" utt_id \tscore "), T, AS_THEY_ARE),
    "a column without a name": (
        text(["\t" + SCORES[0], *(f"{i}\t{line}" for i, line in enumerate(SCORES[1:]))]),
        T,
        AS_THEY_ARE,
    ),
    "names in capitals": (
        S.replace(b"utt_id\tscore", b"UTT_ID\tSCORE"),
        T,
        "line 1: column 'utt_id' is missing",
    ),
    "an id of blanks": (
        text([*SCORES, " \t1"]),
        T,
        rf"{FILE} {len(SCORES) + 1}: column 'utt_id': the utterance has no name",
    ),
    "all scores equal": (
        text([SCORES[0], *(line.split("\t")[0] + "\t1" for line in SCORES[1:])]),
        T,
        0.5,
    ),
    "a folder": ("/", T, "/: a folder, not a table"),
    "a device": (
        "/dev/null",
        T,
        "/dev/null: a pipe or a device, and a table is read from a file; write it into one first",
    ),
    "no such file": ("/nope.tsv", T, "/nope.tsv: no such table"),
    "an address": ("http://127.0.0.1:1/s.tsv", T, "no such table"),
    "an address of a bucket": ("s3://bucket/s.tsv", T, "no such table"),
    "a name with a NUL": ("a\0b", T, "no such table"),
    "a name too long": ("n" * 300, T, "cannot be read: File name too long"),
    "a tilde": ("~/s.tsv", T, "no such table"),
    "another label": (
        S,
        with_line(TRIALS, 4, "b2\tgenuine\ta"),
        rf"{FILE} 4: column 'label': unknown value 'genuine'",
    ),
    "a label in capitals": (
        S,
        with_line(TRIALS, 4, "b2\tBonafide\ta"),
        rf"{FILE} 4: column 'label'",
    ),
    "a label with a blank": (
        S,
        with_line(TRIALS, 4, "b2\tbonafide \ta"),
        rf"{FILE} 4: column 'label'",
    ),
    "no label": (S, T.replace(b"label", b"key"), "line 1: column 'label' is missing"),
}


@pytest.mark.parametrize("case", CASES)
def test_files(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores, trials, expected = CASES[case]
    seen = judged(tmp_path, capsys, scores, trials)
    if isinstance(expected, float):
        assert seen == pytest.approx(expected, abs=1e-12)
    else:
        assert isinstance(seen, str)
        assert re.search(expected, seen), seen


BY: dict[str, tuple[bytes, str, str | None]] = {
    "good": (T, "codec", None),
    "no such column": (T, "nope", "no column 'nope'"),
    "ids": (T, "utt_id", "'utt_id' cannot be a condition"),
    "labels": (T, "label", r"'label' cannot be a condition"),
    "paths": (column("path"), "path", "'path' cannot be a condition"),
    "an empty level": (level(""), "codec", "column 'codec' is empty for 'b0'"),
    "a level that does not apply": (level("-"), "codec", None),
    "a level of the name none": (level("none"), "codec", None),
    "a level in other brackets": (level("(macro)"), "codec", None),
    **{
        f"a level {word!r}": (
            level(word),
            "codec",
            r"t\.tsv: line 2: column 'codec': .* cannot be a level",
        )
        for word in (*RESERVED[1:], "ALL", "Pooled", "bona-fide", "Bona Fide", "(Macro Average)")
    },
    **{
        f"a column {word!r}": (column(word), word, "cannot be a condition")
        for word in RESERVED_COLUMNS[3:]
    },
}


@pytest.mark.parametrize("case", BY)
def test_conditions(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials, by, expected = BY[case]
    seen = judged(tmp_path, capsys, S, trials, "--by", by)
    if expected is None:
        assert seen == pytest.approx(AS_THEY_ARE)
    else:
        assert isinstance(seen, str)
        assert re.search(expected, seen), seen


def test_levels_that_cannot_be_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [("x+y", "z"), ("x", "y+z")]
    rows = [f"{line}\t{pairs[i % 2][0]}\t{pairs[i % 2][1]}" for i, line in enumerate(TRIALS[1:])]
    trials = text([f"{TRIALS[0]}\tp\tq", *rows])
    assert judged(tmp_path, capsys, S, trials, "--by", "p") == pytest.approx(AS_THEY_ARE)
    assert "two levels of 'p+q' are called 'x+y+z'" in str(
        judged(tmp_path, capsys, S, trials, "--by", "p+q")
    )


def test_names_are_no_patterns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`scores[1].tsv` was read as `scores1.tsv`, whose scores may be the other way round."""
    turned = text(
        [
            SCORES[0],
            *(f"{line.split(chr(9))[0]}\t{-float(line.split(chr(9))[1])}" for line in SCORES[1:]),
        ]
    )
    for name, other in (
        ("s[1].tsv", "s1.tsv"),
        ("s*.tsv", "sx.tsv"),
        ("s?.tsv", "sy.tsv"),
        ("~s.tsv", "t"),
        ("{s}.tsv", "s.tsv"),
        ("$HOME.tsv", "u"),
    ):
        (tmp_path / other).write_bytes(turned)
        (tmp_path / name).write_bytes(S)
        assert judged(tmp_path, capsys, str(tmp_path / name), T) == pytest.approx(AS_THEY_ARE)
        (tmp_path / name).unlink()
        assert "no such table" in str(judged(tmp_path, capsys, str(tmp_path / name), T))


def test_a_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "pipe: a pipe or a device" in str(judged(tmp_path, capsys, str(tmp_path / "pipe"), T))


# Format, content, what the refusal says (or the ids that are read).
EXTERNAL: dict[str, tuple[str, str | bytes, str | list[str]]] = {
    "good": ("file_score", "a 1\nb -2e-1\n", ["a", "b"]),
    "tabs and several blanks": ("file_score", "a\t1\n b \t 2 \n", ["a", "b"]),
    "three columns as two": (
        "file_score",
        "a bonafide 1\nb spoof 0\n",
        "line 1: .* has more fields than format 'file_score'",
    ),
    "two scores": ("file_score", "a 1 2\n", "line 1: .* more fields"),
    "four columns as three": ("file_label_score", "a - bonafide 1\n", "line 1: .* more fields"),
    "four columns as two": ("asvspoof2021", "a - bonafide 1\n", "line 1: .* more fields"),
    "two columns as three": ("file_score_label", "a 1\n", "line 1: 'a 1' is not a line of format"),
    "columns turned": (
        "file_score_label",
        "a bonafide 1\n",
        "line 1: the score of 'a' is 'bonafide'",
    ),
    "a header": ("file_score", "file score\na 1\n", "line 1: the score of 'file' is 'score'"),
    "a label that is a number": ("file_score_label", "a 0.5 1\n", "line 1: '1' is no label"),
    "semicolons": ("csv", "utt_id;score\na;1\n", "line 1: column 'utt_id' is missing"),
    "tabs in CSV": ("csv", "utt_id\tscore\na\t1\n", "line 1: column 'utt_id' is missing"),
    "a decimal comma": ("csv", "utt_id,score\na,0,5\n", "line 2: 3 fields where the header has 2"),
    "a decimal comma in quotation marks": (
        "csv",
        'utt_id,score\na,"0,5"\n',
        "line 2: the score of 'a' is '0,5'",
    ),
    "quotation marks that take rows in": (
        "csv",
        'utt_id,score\n"a,1\nb,2\nc",3\n',
        "line 2: a quoted field goes on over line 3",
    ),
    "a quotation mark that never ends": ("csv", 'utt_id,score\n"a,1\nb,2\n', ['"a', "b"]),
    "letters behind a quoted field": ("csv", 'utt_id,score\n"a"x,1\n', ['"a"x']),
    "blanks behind a quoted field": (
        "csv",
        'utt_id,score\n"a" ,1\n',
        "line 2: its quotation marks do not enclose whole fields",
    ),
    "a quotation mark in a name": ("csv", 'utt_id,score\na"b,1\n', ['a"b']),
    "a name over two lines": (
        "csv",
        'score,utt_id\n1,"a\nb"\n',
        "line 2: .* holds a tab or a line break",
    ),
    "no name": ("csv", "utt_id,score\n ,1\n", "line 2: no utterance is named"),
    "a name twice": (
        "tsv",
        "utt_id\tscore\na\t1\nx/a.wav\t2\n",
        "line 3: 'x/a.wav' has a score already, in line 2",
    ),
    "empty lines": ("tsv", "utt_id\tscore\n\na\t1\n\n", ["a"]),
    "an empty line between": ("file_score", "a 1\n\nb 2\n\n", ["a", "b"]),
    "UTF-16": ("file_score", "a 1\n".encode("utf-16"), "UTF-16 text; save it as UTF-8"),
    "gzip": ("csv", gzip.compress(b"utt_id,score\na,1\n"), "compressed with gzip"),
    "a NUL": ("file_score", "a\0 1\n", "line 1: it holds a NUL"),
    "old line ends": ("file_score", "a 1\rb 2\r", "line 1: a carriage return"),
    "a line separator in a name": ("file_score", "a\u2028b 1\n", "line 1: .* more fields"),
    "digits of another script": (
        "file_score",
        "a \uff11\n",
        "line 1: the score of 'a' is '\uff11'",
    ),
    "too large": ("file_score", "a 1e400\n", "line 1: the score of 'a' is '1e400'"),
    "empty": ("file_score", "", "there are no scores in the file"),
}


@pytest.mark.parametrize("case", EXTERNAL)
def test_files_of_others(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    format, content, expected = EXTERNAL[case]
    theirs, ours = tmp_path / "theirs", tmp_path / "ours.tsv"
    theirs.write_bytes(content.encode() if isinstance(content, str) else content)
    code = main(["import-scores", format, str(theirs), str(ours), "--higher", "bonafide"])
    err = capsys.readouterr().err
    if isinstance(expected, list):
        assert (code, err) == (0, "")
        assert [line.split("\t")[0] for line in ours.read_text().splitlines()[1:]] == expected
    else:
        assert (code, err.count("\n"), ours.exists()) == (2, 1, False)
        assert re.search(expected, err), err


SHARDS: dict[str, tuple[bytes, str]] = {
    "nan": (score("nan"), "line 4: column 'score': 'nan' is not a finite number"),
    "too large": (score("1e400"), "line 4: column 'score': '1e400' is not"),
    "underscores": (score("1_0"), "line 4: column 'score': '1_0' is not"),
    "digits of another script": (score("\uff11"), "line 4: column 'score': '\uff11' is not"),
    "a NUL": (with_line(SCORES, 4, "b2\0\t1"), "line 4: it holds a NUL"),
    "gzip": (gzip.compress(S), "compressed with gzip"),
    "a row too short": (with_line(SCORES, 4, "b2"), "line 4: 1 fields where the header has 2"),
    "rows lost": (text(SCORES[:-2]), "'s18' and 1 more utterances .* are in none of the 1 shards"),
    "a row twice": (
        with_line(SCORES, 4, "b1\t1"),
        "line 4: a score of 'b1' where .* goes on with 'b2'",
    ),
}


@pytest.mark.parametrize("case", SHARDS)
def test_shards(case: str, tmp_path: Path) -> None:
    """They are read line by line, and refused alike."""
    content, expected = SHARDS[case]
    (tmp_path / "shard.tsv").write_bytes(content)
    (tmp_path / "m.tsv").write_bytes(
        text([f"{line}\t{'split' if i == 0 else 'eval'}" for i, line in enumerate(TRIALS)])
    )
    with pytest.raises(TableError, match=expected):
        gather_scores([tmp_path / "shard.tsv"], tmp_path / "m.tsv", "eval", tmp_path / "o.tsv")
    assert not (tmp_path / "o.tsv").exists()
