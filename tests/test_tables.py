"""Tables survive a round trip, and broken ones are refused with file, line and column."""

import contextlib
import math
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spoofscope.errors import TableError
from spoofscope.names import RESERVED, reserved
from spoofscope.tables import (
    SCORE_COLUMNS,
    TIERS,
    join_scores,
    read_manifest,
    read_scores,
    read_segments,
    read_table,
    read_trials,
    rows_of_source,
    write_manifest,
    write_scores,
    write_segments,
    write_table,
)

HEADER = "utt_id\tpath\tsplit\tlabel\tattack\tspeaker\tduration\tsample_rate\tcodec\n"
ROWS = [
    "a\ta.wav\ttrain\tbonafide\t-\ts1\t1.5\t16000\t-",
    "b\tb.wav\teval\tspoof\tx\ts1\t2\t8000\tmp3",
]


def manifest_text(row: int = 0, column: str = "", value: str = "") -> str:
    """A manifest of two rows; one field may be changed."""
    rows = [text.split("\t") for text in ROWS]
    if column:
        rows[row][HEADER.split().index(column)] = value
    return HEADER + "".join("\t".join(fields) + "\n" for fields in rows)


def saved(folder: Path, text: str | bytes, name: str = "table.tsv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_rows_of_a_source(tmp_path: Path) -> None:
    rows = [(split, attack) for split in ("train", "eval") for attack in ("-", "pwg", "melgan")]
    labels = {"-": "bonafide"}
    lines = [
        f"{i}\t{i}.wav\t{split}\t{labels.get(attack, 'spoof')}\t{attack}\t-\t1\t8\t-\n"
        for i, (split, attack) in enumerate([*rows, ("eval", "hifigan")])
    ]
    text = HEADER + "".join(lines)
    manifest = read_manifest(saved(tmp_path, text))

    def attacks(split: str, *options: list[str] | None) -> list[str]:
        return rows_of_source(manifest, split, "m.tsv", *options)["attack"].to_list()

    assert attacks("train") == ["-", "pwg", "melgan"]
    assert attacks("train", ["pwg"]) == ["-", "pwg"]
    assert attacks("eval", None, ["pwg", "melgan"]) == ["-", "hifigan"]
    assert attacks("eval", ["pwg", "hifigan"], ["pwg"]) == ["-", "hifigan"]
    # Of what a split has not there is nothing to choose; to leave it out is no mistake.
    assert attacks("train", None, ["hifigan"]) == ["-", "pwg", "melgan"]
    with pytest.raises(TableError, match=r"m\.tsv: split 'train' has no attack 'hifigan'; valid"):
        attacks("train", ["hifigan"])
    with pytest.raises(TableError, match=r"m\.tsv has no attack 'melgam'; did you mean 'melgan'"):
        attacks("train", None, ["melgam"])


# --- any table -----------------------------------------------------------------------------------

words = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\0"), min_size=1, max_size=8
)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.slow
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)
@given(
    rows=st.dictionaries(words, st.tuples(numbers, words), min_size=1, max_size=6),
    extra=words.filter(lambda name: name.strip() == name and name not in ("utt_id", "score")),
)
def test_every_text_and_every_number_survives(tmp_path, rows, extra):
    path = tmp_path / "scores.tsv"
    frame = pl.DataFrame(
        {
            "utt_id": list(rows),
            "score": [score for score, _ in rows.values()],
            extra: [text for _, text in rows.values()],
        }
    )
    write_table(path, frame)
    # Floats come back bit by bit, the sign of zero included.
    back = read_table(path, SCORE_COLUMNS)
    assert back.equals(frame)
    assert [math.copysign(1, x) for x in back["score"]] == [
        math.copysign(1, x) for x in frame["score"]
    ]


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)
@given(content=st.binary(max_size=60) | st.text("ab\t\n\r.1", max_size=40).map(str.encode))
def test_any_bytes_are_a_table_or_a_table_error(tmp_path, content):
    path = saved(tmp_path, content)
    # Any other exception fails the test.
    with contextlib.suppress(TableError):
        assert {"utt_id", "score"} <= set(read_table(path, SCORE_COLUMNS).columns)


def test_windows_line_ends_and_byte_order_marks_are_read(tmp_path):
    path = saved(tmp_path, b"\xef\xbb\xbfutt_id\tscore\tlast\r\na\t1\tx\r\n")
    assert read_table(path, SCORE_COLUMNS).rows() == [("a", 1.0, "x")]


def test_what_stands_around_the_rows_does_not_count(tmp_path):
    """Blanks around names, a column without one, empty lines at the end."""
    path = saved(tmp_path, "\tutt_id \t score\n0\ta\t1\n1\tb \t2\n\n\n")
    assert read_table(path, SCORE_COLUMNS).to_dict(as_series=False) == {
        "utt_id": ["a", "b "],
        "score": [1.0, 2.0],
    }


def test_brackets_in_a_path_are_no_pattern(tmp_path):
    for name, score in (("s[1].tsv", 1), ("s1.tsv", 2), ("s*.tsv", 3), ("~.tsv", 4)):
        path = saved(tmp_path, f"utt_id\tscore\na\t{score}\n", name)
        assert read_scores(path)["score"].to_list() == [score]
    with pytest.raises(TableError, match="no such table"):
        read_scores(tmp_path / "s?.tsv")


def test_quotes_and_hashes_are_letters(tmp_path):
    path = saved(tmp_path, 'utt_id\tscore\n"a\t1\n#b"\t2\n')
    assert read_table(path, SCORE_COLUMNS)["utt_id"].to_list() == ['"a', '#b"']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table is empty, not even a header"),
        ("utt_id\tscor\na\t1\n", r"line 1: column 'score' is missing; the header has utt_id, scor"),
        ("utt_id\tscore\tscore\na\t1\t2\n", r"line 1: column 'score' is there twice"),
        ("utt_id\tscore\na\t1\nb\n", r"line 3: 1 fields where the header has 2"),
        ("utt_id\tscore\na\t1\nb\t2\t3\n", r"line 3: 3 fields where the header has 2"),
        ("utt_id\tscore\na\t1\nb\tone\n", r"line 3: column 'score': 'one' is not a finite number"),
        ("utt_id\tscore\na\t1\nb\t\n", r"line 3: column 'score': '' is not a finite number"),
        ("utt_id\tscore\na\t1\n\t2\n", r"line 3: column 'utt_id' is empty"),
        ("utt_id\tscore\na\t1\n\nb\t2\n", r"line 3: an empty line; remove it"),
        ("utt_id\tscore\na\t1\rb\t2\n", r"line 2: a carriage return that ends no line"),
        ("utt_id\tscore\na\t1\nb\0\t2\n", r"line 3: it holds a NUL"),
        (b"\x1f\x8b\x08\0", r"this is no UTF-8 text but compressed with gzip"),
        ("utt_id\tscore\n".encode("utf-16"), r"this is no UTF-8 text but UTF-16 text"),
        ("utt_id\tscore\na\t1e400\n", r"line 2: column 'score': '1e400' is not a finite number"),
        ("utt_id\tscore\na\t１\n", r"line 2: column 'score': '１' is not a finite number"),
        (b"utt_id\tscore\na\t1\n\xe9\t2\n", r"line 3: not UTF-8 text"),
    ],
)
def test_broken_tables_name_file_and_line(tmp_path, text, message):
    with pytest.raises(TableError, match=f"table.tsv: {message}"):
        read_table(saved(tmp_path, text), SCORE_COLUMNS)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(TableError, match=r"none.tsv: no such table"):
        read_table(tmp_path / "none.tsv", SCORE_COLUMNS)


def test_a_table_without_permission_is_named(locked_file):
    with pytest.raises(TableError, match=r"locked.wav: cannot be read: .*Permission denied"):
        read_table(locked_file, SCORE_COLUMNS)


def test_whole_numbers_are_whole(tmp_path):
    path = saved(tmp_path, "n\tx\n1\ta\n1.0\tb\n")
    with pytest.raises(TableError, match=r"line 3: column 'n': '1.0' is not a whole number"):
        read_table(path, {"n": pl.Int64()})


def test_optional_fields_may_be_empty(tmp_path):
    path = saved(tmp_path, "name\tp\tn\tnote\tx\na\t0.5\t\t\t\nb\t\t3\tgood\t2\n")
    optional = {"p": pl.Float64(), "n": pl.Int64(), "note": pl.String()}
    table = read_table(path, {"name": pl.String()}, optional, rest=pl.Float64())
    assert table.rows() == [("a", 0.5, None, "", None), ("b", None, 3, "good", 2.0)]


def test_optional_fields_are_numbers_or_empty(tmp_path):
    path = saved(tmp_path, "name\tp\na\t\nb\tlow\n")
    with pytest.raises(TableError, match="line 3: column 'p': 'low' is not a finite number"):
        read_table(path, {"name": pl.String()}, {"p": pl.Float64()})
    with pytest.raises(TableError, match="column 'q' is missing"):
        read_table(path, {"name": pl.String()}, {"q": pl.Float64()})


@pytest.mark.parametrize("letter", ["\t", "\n", "\r", "\0"])
def test_what_would_break_a_table_is_not_written(tmp_path, letter):
    frame = pl.DataFrame({"a": ["fine", f"not{letter}fine"]})
    with pytest.raises(TableError, match=r"row 2: column 'a' holds a tab, a line break or a NUL"):
        write_table(tmp_path / "x.tsv", frame)
    assert not (tmp_path / "x.tsv").exists()


def test_columns_that_could_not_be_asked_for_are_not_written(tmp_path):
    for name in ("", " a", "a\tb"):
        with pytest.raises(TableError, match="a column cannot be called"):
            write_table(tmp_path / "x.tsv", pl.DataFrame({name: ["x"]}))
    with pytest.raises(TableError, match="column 'a', the only one, is empty in a row"):
        write_table(tmp_path / "x.tsv", pl.DataFrame({"a": ["x", ""]}))


def test_nulls_booleans_and_numbers_as_text(tmp_path):
    path = tmp_path / "x.tsv"
    write_table(path, pl.DataFrame({"a": [None, "x"], "b": [True, False], "c": [0.1, 1e-30]}))
    assert path.read_text() == "a\tb\tc\n\ttrue\t0.1\nx\tfalse\t1e-30\n"


def test_names_that_look_like_reserved_ones_are_reserved():
    for word in RESERVED[1:]:
        for name in (word, f"({word.upper()})", f" {word[0]}-{word[1:]}_", f'"{word}\x07"'):
            # Their full-width forms show the same letters.
            wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name)
            assert (reserved(name), reserved(wide)) == (word, word)
    assert reserved("-") == reserved("\u2014") == "-"
    assert reserved("c0ffee") is None


# --- manifests -----------------------------------------------------------------------------------


def test_manifests_survive_a_round_trip(tmp_path):
    frame = read_manifest(saved(tmp_path, manifest_text()))
    assert frame["duration"].to_list() == [1.5, 2.0]
    assert frame["codec"].to_list() == ["-", "mp3"]
    # Contract columns come first, whatever their order was.
    write_manifest(tmp_path / "again.tsv", frame.select(reversed(frame.columns)))
    assert read_manifest(tmp_path / "again.tsv").equals(frame)


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (1, "utt_id", "a", r"utt_id 'a' is there twice \(lines 2, 3\)"),
        (1, "split", "test", r"line 3: column 'split': unknown value 'test'; .*train, dev, eval"),
        (0, "label", "real", r"line 2: column 'label': unknown value 'real'; .*bonafide, spoof"),
        (0, "attack", "x", r"line 2: column 'attack': 'x' does not fit label 'bonafide'"),
        (1, "attack", "-", r"line 3: column 'attack': '-' does not fit label 'spoof'"),
        (1, "duration", "0", r"line 3: column 'duration': 0.0 is not a positive number"),
        (1, "duration", "nan", r"line 3: column 'duration': 'nan' is not a finite number"),
        (1, "duration", "inf", r"line 3: column 'duration': 'inf' is not a finite number"),
        (1, "duration", "2 s", r"line 3: column 'duration': '2 s' is not a finite number"),
        (0, "sample_rate", "16k", r"line 2: column 'sample_rate': '16k' is not a whole number"),
        (0, "sample_rate", "0", r"line 2: column 'sample_rate': 0 is not a positive number"),
        (0, "speaker", "", r"line 2: column 'speaker' is empty"),
    ],
)
def test_broken_manifests_name_line_and_column(tmp_path, row, column, value, message):
    path = saved(tmp_path, manifest_text(row, column, value), "corpus.tsv")
    with pytest.raises(TableError, match=f"corpus.tsv: {message}"):
        read_manifest(path)


def test_former_names_of_columns_are_refused_with_the_name_of_today(tmp_path):
    path = saved(tmp_path, manifest_text().replace("\tattack\t", "\tsystem\t"), "corpus.tsv")
    message = r"corpus\.tsv: line 1: the column 'system' is called 'attack' now"
    for read in (read_manifest, read_trials):
        with pytest.raises(TableError, match=message):
            read(path)


def test_broken_manifests_are_not_written(tmp_path):
    frame = read_manifest(saved(tmp_path, manifest_text()))
    target = tmp_path / "new.tsv"
    for broken, message in (
        (frame.drop("speaker"), "lacks column 'speaker'"),
        (frame.with_columns(speaker=pl.lit("")), "column 'speaker' is empty"),
        (frame.with_columns(path=pl.lit(None, pl.String)), "column 'path' is empty"),
        (frame.clear(), "no utterances"),
        (pl.concat([frame, frame]), "there twice"),
    ):
        with pytest.raises(TableError, match=message):
            write_manifest(target, broken)
        assert not target.exists()


# --- scores, trials, segments --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utt_id\tscore\n", "no scores"),
        ("utt_id\tscore\na\t1\na\t1\n", r"utt_id 'a' is there twice \(lines 2, 3\)"),
        ("utt_id\tscore\na\tnan\n", r"line 2: column 'score': 'nan' is not a finite number"),
        (
            "utt_id\tscore\na\t1\nb\t-inf\n",
            r"line 3: column 'score': '-inf' is not a finite number",
        ),
    ],
)
def test_broken_scores(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        read_scores(saved(tmp_path, text))


def test_scores_that_are_not_finite_are_not_written(tmp_path):
    frame = pl.DataFrame({"utt_id": ["a"], "score": [math.inf], "other": [1]})
    with pytest.raises(TableError, match="score of 'a' is inf"):
        write_scores(tmp_path / "x.tsv", frame)
    write_scores(tmp_path / "x.tsv", frame.with_columns(score=pl.lit(-0.1)))
    assert (tmp_path / "x.tsv").read_text() == "utt_id\tscore\na\t-0.1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utt_id\tlabel\n", "no trials"),
        ("utt_id\tlabel\na\tspoof\na\tspoof\n", "there twice"),
        ("utt_id\tlabel\na\tfake\n", r"line 2: column 'label': unknown value 'fake'"),
    ],
)
def test_broken_trials(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        read_trials(saved(tmp_path, text))


@pytest.mark.slow
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40
)
@given(
    st.lists(
        st.tuples(
            words,
            st.floats(0, 1e6),
            st.floats(1e-3, 1e6),
            st.sampled_from(TIERS),
            words,
        ).filter(lambda row: row[1] + row[2] > row[1]),
        max_size=5,
    )
)
def test_segments_survive_a_round_trip(tmp_path, rows):
    frame = pl.DataFrame(
        [(name, start, start + length, *rest) for name, start, length, *rest in rows],
        schema=["utt_id", "start", "end", "tier", "label"],
        orient="row",
    ).cast(
        {
            "utt_id": pl.String,
            "start": pl.Float64,
            "end": pl.Float64,
            "tier": pl.String,
            "label": pl.String,
        }
    )
    write_segments(tmp_path / "segments.tsv", frame)
    assert read_segments(tmp_path / "segments.tsv").equals(frame)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a\t0\t1\twords\tx", r"line 2: column 'tier': unknown value 'words'; .*artefact"),
        ("a\t1\t1\tword\tx", r"line 2: segment from 1.0 to 1.0 s"),
        ("a\t-0.5\t1\tword\tx", r"line 2: segment from -0.5 to 1.0 s"),
        ("a\tnan\t1\tword\tx", r"line 2: (column 'start': 'nan' is|segment from nan to)"),
        ("a\t0\tinf\tword\tx", r"line 2: (column 'end': 'inf' is|segment from 0.0 to inf)"),
    ],
)
def test_broken_segments(tmp_path, row, message):
    path = saved(tmp_path, f"utt_id\tstart\tend\ttier\tlabel\n{row}\n")
    with pytest.raises(TableError, match=message):
        read_segments(path)
    fields = row.split("\t")
    frame = pl.DataFrame(
        {
            "utt_id": [fields[0]],
            "start": [float(fields[1])],
            "end": [float(fields[2])],
            "tier": [fields[3]],
            "label": [fields[4]],
        }
    )
    with pytest.raises(TableError, match=message):
        write_segments(tmp_path / "new.tsv", frame)
    assert not (tmp_path / "new.tsv").exists()


BANDS = "utt_id\tstart\tend\ttier\tlabel\tlow_hz\thigh_hz\n"


def test_segments_may_say_in_which_band_they_are(tmp_path):
    path = saved(tmp_path, f"{BANDS}a\t0\t1\tword\tx\t\t\na\t0\t1\tartefact\tx\t4000\t8000\n")
    segments = read_segments(path)
    assert segments.select("low_hz", "high_hz").rows() == [(None, None), (4000.0, 8000.0)]
    write_segments(tmp_path / "again.tsv", segments)
    assert read_segments(tmp_path / "again.tsv").equals(segments)


@pytest.mark.parametrize(
    ("band", "message"),
    [
        ("4000\t", "band from 4000.0 to None Hz; .*leave both fields empty"),
        ("\t4000", "band from None to 4000.0 Hz"),
        ("4000\t4000", "band from 4000.0 to 4000.0 Hz"),
        ("-1\t4000", "band from -1.0 to 4000.0 Hz"),
        ("0\tinf", "(column 'high_hz': 'inf'|band from 0.0 to inf)"),
        ("low\t4000", "column 'low_hz': 'low'"),
    ],
)
def test_broken_bands_of_segments(tmp_path, band, message):
    path = saved(tmp_path, f"{BANDS}a\t0\t1\tword\tx\t\t\na\t0\t1\tartefact\tx\t{band}\n")
    with pytest.raises(TableError, match=f"line 3: {message}"):
        read_segments(path)


def test_segments_with_half_a_band(tmp_path):
    path = saved(tmp_path, "utt_id\tstart\tend\ttier\tlabel\tlow_hz\na\t0\t1\tword\tx\t4000\n")
    with pytest.raises(TableError, match="high_hz"):
        read_segments(path)


# --- joining -------------------------------------------------------------------------------------


def scores_of(ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"utt_id": ids, "score": [float(i) for i in range(len(ids))]})


def trials_of(ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"utt_id": ids, "label": ["spoof"] * len(ids), "score": [9.0] * len(ids)})


@settings(deadline=None)
@given(st.permutations(list("abcdef")))
def test_scores_are_joined_by_id_and_never_by_position(order):
    joined = join_scores(
        scores_of(order), trials_of(list("abcdef")), scores_name="s", trials_name="t"
    )
    assert joined["utt_id"].to_list() == list("abcdef")
    assert joined["score"].to_list() == [float(order.index(name)) for name in "abcdef"]


@pytest.mark.parametrize(
    ("scored", "listed", "message"),
    [
        ("abc", "abcd", r"^s.tsv lacks 1 of the trials in t.tsv: 'd'$"),
        ("a", "abcdefgh", r"lacks 7 of the trials in t.tsv: 'b', 'c', 'd', 'e', 'f'$"),
        ("abcd", "abc", r"^s.tsv has 1 ids that are no trials of t.tsv: 'd'$"),
    ],
)
def test_scores_and_trials_must_be_of_the_same_utterances(scored, listed, message):
    with pytest.raises(TableError, match=message):
        join_scores(
            scores_of(list(scored)),
            trials_of(list(listed)),
            scores_name="s.tsv",
            trials_name="t.tsv",
        )
