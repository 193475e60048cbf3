"""Score files of others: every format read and written, and every way in which a file is wrong."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofscope.errors import ConfigError, TableError
from spoofscope.score_formats import (
    FORMATS,
    polarity_warning,
    read_external_scores,
    write_external_scores,
)

TRIALS = pl.DataFrame(
    {
        "utt_id": ["LA_E_1", "LA_E_2", "set one-a"],
        "label": ["bonafide", "spoof", "spoof"],
        "attack": ["-", "A07", "A08"],
        "path": ["flac/LA_E_1.flac", "flac/LA_E_2.flac", "own/set one/a.wav"],
    }
)


@pytest.fixture
def file(tmp_path):
    def write(text: str, name: str = "scores.txt"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("asvspoof2019", "LA_E_1 - bonafide 1.5\nLA_E_2 A07 spoof -2e-1\nset one-a A08 spoof -3\n"),
        ("asvspoof2021", "LA_E_1 1.5\nLA_E_2   -0.2\n\nset one-a -3\r\n"),
        ("asvspoof5", "filename\tcm-score\nLA_E_1\t1.5\nLA_E_2\t-.2\nset one-a\t-3.\n"),
        ("file_score", "x/LA_E_1.flac 1.5\n/d/LA_E_2.wav -0.2\nset one-a.wav -3\n"),
        ("file_score_label", "LA_E_1 1.5 genuine\nLA_E_2 -0.2 fake\nset one-a -3 spoof\n"),
        ("file_label_score", "LA_E_1 bonafide 1.5\nLA_E_2 spoof -0.2\nset one-a Spoof -3\n"),
        ("tsv", "utt_id\tx\tscore\nLA_E_1\t\t1.5\nLA_E_2\ty\t-0.2\nset one-a\t\t-3\n"),
        ("csv", '\ufeffx,utt_id,score\n,LA_E_1,1.5\n"a,b",LA_E_2,-0.2\n,"set one-a",-3\n'),
    ],
)
def test_each_format(file, format, text):
    expected = {"LA_E_1": 1.5, "LA_E_2": -0.2, "set one-a": -3.0}
    frame = read_external_scores(file(text), format, trials=TRIALS)
    assert dict(frame.iter_rows()) == expected
    if format not in ("tsv", "csv", "asvspoof5"):
        # Without trials, a blank in a name could as well end a field.
        with pytest.raises(TableError, match=r"line [34]: .* has more fields than format"):
            read_external_scores(file(text), format)
        text, expected = text.replace("set one-a", "set_one-a"), {**expected}
        expected["set_one-a"] = expected.pop("set one-a")
    for higher, sign in (("bonafide", 1), ("spoof", -1)):
        frame = read_external_scores(file(text), format, higher=higher)
        assert dict(frame.iter_rows()) == {name: sign * x for name, x in expected.items()}


def test_columns_are_named(file):
    text = "file,p_fake,truth\nLA_E_2.wav,0.9,fake\nLA_E_1.wav,0.1,real\nb/set one/a.wav,0.8,fake\n"
    columns = {"utt_id": "file", "score": "p_fake", "label": "truth"}
    frame = read_external_scores(file(text), "csv", higher="spoof", columns=columns, trials=TRIALS)
    # In the order of the trials; the last is found by the name of its audio file.
    assert frame.rows() == [("LA_E_1", -0.1), ("LA_E_2", -0.9), ("set one-a", -0.8)]


@pytest.mark.parametrize(
    ("format", "text", "message"),
    [
        ("file_score", "a 1\nb nan\n", "line 2: the score of 'b' is 'nan'"),
        ("file_score", "a -inf\n", "line 1: the score of 'a' is '-inf'"),
        ("file_score", "a 1_0\n", "line 1: the score of 'a' is '1_0'"),
        ("file_score", "a 1e999\n", "line 1: the score of 'a' is '1e999'"),
        ("file_score", "a 1,5\n", "line 1: the score of 'a' is '1,5'"),
        ("file_score", "a 1\nx/a.wav 2\n", "line 2: 'x/a.wav' has a score already, in line 1"),
        ("file_score", "a 1\n\n0.5\n", "line 3: '0.5' is not a line of format 'file_score'"),
        ("asvspoof2019", "a spoof 1\n", "line 1: 'a spoof 1' is not a line of format"),
        ("asvspoof2019", "a - bonafide 1\nb A07 1 2\n", "line 2: '1' is no label"),
        ("asvspoof5", "a\t1\n", "line 1: column 'filename' is missing"),
        ("asvspoof5", "filename cm-score\na 1\n", "line 1: column 'filename' is missing"),
        ("asvspoof5", "filename\tcm-score\na\t1\nb\n", "line 3: 1 fields where the header has 2"),
        ("csv", "utt_id,score,score\n", "line 1: column 'score' is there twice"),
        ("csv", "utt_id,score\n,1\n", "line 2: no utterance is named"),
        ("csv", 'utt_id,score\n"a" ,1\n', "line 2: its quotation marks do not enclose"),
        ("file_score", "", "there are no scores in the file"),
        ("tsv", "", "the table is empty, not even a header"),
    ],
)
def test_a_bad_line_is_named(file, format, text, message):
    path = file(text)
    with pytest.raises(TableError) as caught:
        read_external_scores(path, format)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "scores.txt"
    path.write_bytes(b"a 1\nb\xff 2\n")
    with pytest.raises(TableError, match="line 2: not UTF-8"):
        read_external_scores(path, "file_score")
    with pytest.raises(TableError, match="no such score file"):
        read_external_scores(tmp_path / "none.txt", "file_score")


def test_what_cannot_be_asked_for(file):
    path = file("a 1\n")
    with pytest.raises(ConfigError, match="did you mean 'asvspoof5'"):
        read_external_scores(path, "asvspoof-5")
    with pytest.raises(ConfigError, match="must be one of bonafide, spoof, not 'fake'"):
        read_external_scores(path, "file_score", higher="fake")
    with pytest.raises(ConfigError, match="no header"):
        read_external_scores(path, "file_score", columns={"score": "s"})
    with pytest.raises(ConfigError, match="did you mean 'score'"):
        read_external_scores(path, "csv", columns={"scores": "s"})


def test_the_scores_must_be_of_the_trials(file):
    text = "LA_E_1 1\nLA_E_2 2\nset one-a 3\nLA_E_9 4\nLA_E_8 5\n"
    with pytest.raises(TableError, match=r"line 4: 'LA_E_9' is none of the trials, nor are 1 more"):
        read_external_scores(file(text), "file_score", trials=TRIALS)
    kept = read_external_scores(file(text), "file_score", trials=TRIALS, ignore_others=True)
    assert kept["score"].to_list() == [1, 2, 3]
    with pytest.raises(TableError, match="lacks 1 of the trials in the list of trials: 'set one-a"):
        read_external_scores(file("LA_E_1 1\nLA_E_2 2\n"), "file_score", trials=TRIALS)
    with pytest.raises(TableError, match="no scores of the trials"):
        read_external_scores(file("x 1\n"), "file_score", trials=TRIALS, ignore_others=True)
    wrong = "LA_E_1 - bonafide 1\nLA_E_2 - bonafide 2\nset one-a A08 spoof 3\n"
    with pytest.raises(TableError, match="line 2: 'LA_E_2' is bonafide here and spoof among"):
        read_external_scores(file(wrong), "asvspoof2019", trials=TRIALS)


def test_two_files_of_one_name_are_not_confused(file):
    trials = pl.DataFrame({"utt_id": ["x", "y"], "path": ["1/a.wav", "2/a.wav"]})
    with pytest.raises(TableError, match=r"line 1: '1/a\.wav' is none of the trials"):
        read_external_scores(file("1/a.wav 1\n2/a.wav 2\n"), "file_score", trials=trials)


def test_inverted_scores_are_remarked_on():
    scores = pl.DataFrame({"utt_id": TRIALS["utt_id"], "score": [0.0, 1.0, 2.0]})
    warning = polarity_warning(scores, TRIALS)
    assert warning is not None
    assert "100.0 %" in warning
    assert polarity_warning(scores.with_columns(-pl.col("score")), TRIALS) is None
    assert polarity_warning(scores.head(1), TRIALS.head(1)) is None


def test_the_submission_format_to_the_letter(tmp_path):
    scores = pl.DataFrame({"utt_id": ["E_0000000002", "E_0000000001"], "score": [0.1, -12.5]})
    write_external_scores(tmp_path / "a", scores, "asvspoof5")
    expected = b"filename\tcm-score\nE_0000000002\t0.1\nE_0000000001\t-12.5\n"
    assert (tmp_path / "a").read_bytes() == expected
    write_external_scores(tmp_path / "b", scores, "asvspoof2021")
    assert (tmp_path / "b").read_bytes() == b"E_0000000002 0.1\nE_0000000001 -12.5\n"
    trials = pl.DataFrame(
        {
            "utt_id": ["E_0000000001", "E_0000000002"],
            "label": ["bonafide", "spoof"],
            "attack": ["-", "A17"],
        }
    )
    write_external_scores(tmp_path / "c", scores, "asvspoof2019", trials)
    expected = b"E_0000000001 - bonafide -12.5\nE_0000000002 A17 spoof 0.1\n"
    assert (tmp_path / "c").read_bytes() == expected


def test_what_cannot_be_written(tmp_path):
    path = tmp_path / "out"
    scores = pl.DataFrame({"utt_id": ["a b"], "score": [1.0]})
    with pytest.raises(TableError, match="'a b' cannot be written in format 'asvspoof2021'"):
        write_external_scores(path, scores, "asvspoof2021")
    with pytest.raises(TableError, match="the score of 'a b' is nan"):
        write_external_scores(path, scores.with_columns(score=math.nan), "asvspoof5")
    with pytest.raises(ConfigError, match="a manifest is needed"):
        write_external_scores(path, scores, "asvspoof2019")
    with pytest.raises(ConfigError, match="cannot be written as 'csv'"):
        write_external_scores(path, scores, "csv")
    with pytest.raises(TableError, match="lacks 3 of the trials"):
        write_external_scores(path, scores, "asvspoof5", TRIALS)
    assert not path.exists()


_NAMES = st.text("abz019_- ", min_size=1).filter(lambda name: name == name.strip())


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(_NAMES, st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_what_is_written_reads_back_as_the_same_numbers(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("scores") / "out.tsv"
    scores = pl.DataFrame({"utt_id": list(values), "score": list(values.values())})
    write_external_scores(path, scores, "asvspoof5")
    assert read_external_scores(path, "asvspoof5").equals(scores)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMATS), st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_message(tmp_path_factory, format, text):
    path = tmp_path_factory.mktemp("scores") / "in.txt"
    path.write_bytes(text.encode(errors="surrogatepass"))
    message = ""
    try:
        understood = read_external_scores(path, format).height
    except TableError as error:
        understood, message = 0, str(error)
    assert understood or str(path) in message
