"""TextGrids of Praat, in both forms and encodings."""

import itertools
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spoofscope.alignment.align import align_clips, build, gathered
from spoofscope.alignment.base import Given
from spoofscope.errors import ConfigError, TableError
from spoofscope.tables import write_table
from spoofscope.textgrids import Interval, Tier, list_textgrids, read_textgrid

# As Praat writes it, but for the blanks at the ends of its lines: with a tier of points, and with
# doubled quotes.
LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 0.75
            text = "he said ""hi!"""
        intervals [2]:
            xmin = 0.75
            xmax = 1.5
            text = ""
    item [2]:
        class = "TextTier"
        name = "bursts"
        xmin = 0
        xmax = 1.5
        points: size = 1
        points [1]:
            number = 0.3
            mark = "release"
    item [3]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.5
        intervals: size = 1
        intervals [1]:
            xmin = 1e-3
            xmax = .5
            text = "ʃ"
'''
TIERS = [
    Tier("words", [Interval(0.0, 0.75, 'he said "hi!"'), Interval(0.75, 1.5, "")]),
    Tier("phones", [Interval(0.001, 0.5, "ʃ")]),
]


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def long_form(tiers: list[Tier]) -> str:
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 99"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for i, tier in enumerate(tiers, start=1):
        lines += [f"    item [{i}]:", '        class = "IntervalTier"']
        lines += [f"        name = {quoted(tier.name)}", "        xmin = 0", "        xmax = 99"]
        lines += [f"        intervals: size = {len(tier.intervals)}"]
        for j, (start, end, text) in enumerate(tier.intervals, start=1):
            lines += [f"        intervals [{j}]:", f"            xmin = {start!r}"]
            lines += [f"            xmax = {end!r}", f"            text = {quoted(text)}"]
    return "\n".join(lines) + "\n"


def short_form(tiers: list[Tier]) -> str:
    values: list[str] = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "99"]
    values += ["<exists>", str(len(tiers))]
    for tier in tiers:
        values += ['"IntervalTier"', quoted(tier.name), "0", "99", str(len(tier.intervals))]
        for start, end, text in tier.intervals:
            values += [repr(start), repr(end), quoted(text)]
    return "\n".join(values) + "\n"


def written(folder: Path, text: str, encoding: str) -> Path:
    path = folder / "a.TextGrid"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", " \n", "\r\n"])
def test_a_file_of_praat(encoding, ends, tmp_path):
    assert read_textgrid(written(tmp_path, LONG.replace("\n", ends), encoding)) == TIERS


def test_big_endian_with_a_mark(tmp_path):
    assert read_textgrid(written(tmp_path, "\ufeff" + LONG, "utf-16-be")) == TIERS


def test_comments_are_no_values(tmp_path):
    text = LONG.replace("size = 3", 'size = 3 ! "three" <tiers> 4')
    assert read_textgrid(written(tmp_path, text, "utf-8")) == TIERS


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8)


@st.composite
def tiers(draw) -> Tier:
    times = draw(
        st.lists(st.floats(0, 90, allow_nan=False), min_size=2, max_size=8, unique=True).map(sorted)
    )
    spans = [(a, b) for a, b in itertools.pairwise(times) if draw(st.booleans())]
    return Tier(draw(texts), [Interval(a, b, draw(texts)) for a, b in spans])


@settings(max_examples=150)
@given(
    content=st.lists(tiers(), max_size=3),
    form=st.sampled_from([long_form, short_form]),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
def test_what_is_written_is_read(content, form, encoding, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("grid"), form(content), encoding)
    assert read_textgrid(path) == content


@settings(max_examples=100)
@given(place=st.integers(0, len(LONG) - 1))
def test_a_cut_file_is_refused_or_whole(place, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("cut"), LONG[:place], "utf-8")
    try:
        assert read_textgrid(path)[: len(TIERS)] == TIERS
    except TableError as error:
        assert str(path) in str(error)  # noqa: PT017 (either is right)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ooTextFile", "ooBinaryFile", "no text file of Praat"),
        ('"TextGrid"', '"PitchTier"', "it holds a PitchTier, not a TextGrid"),
        ("size = 2", "size = 2.5", "the size of tier 1 is 2.5"),
        ("xmax = 0.75", "xmax = 0", "interval 1 of the tier 'words' is from 0.0 to 0.0 s"),
        ("xmin = 0.75", "xmin = 0.7", "interval 2 of the tier 'words' begins before"),
        ("xmin = 0.75", "xmin = soon", r"expected the end of interval 2 .*, found the text ''"),
        ("TextTier", "PointTier", "tier 2 is a PointTier"),
        # What an editor added by hand would otherwise be left out without a word.
        ("size = 3", "size = 2", "after all that it says it has comes the text 'IntervalTier'"),
    ],
)
def test_files_that_are_none(old, new, message, tmp_path):
    path = written(tmp_path, LONG.replace(old, new, 1), "utf-8")
    with pytest.raises(TableError, match=message):
        read_textgrid(path)


def test_other_encodings_are_refused(tmp_path):
    with pytest.raises(TableError, match="neither UTF-8 nor UTF-16"):
        read_textgrid(written(tmp_path, LONG.replace("ʃ", "é"), "latin-1"))
    with pytest.raises(TableError, match=r"b\.TextGrid"):
        read_textgrid(tmp_path / "b.TextGrid")


# --- a folder of them --------------------------------------------------------------------------


def import_folder(folder: Path, table: Path, *utterances: str) -> tuple[pl.DataFrame, dict]:
    rows = pl.DataFrame(
        {
            "utt_id": list(utterances),
            "path": [f"{name}.wav" for name in utterances],
            "duration": [1.5] * len(utterances),
        }
    )
    intervals, _ = list_textgrids(str(folder))
    write_table(table, intervals)
    done: dict = {}
    config = {"type": "textgrid", "path": str(folder)}
    align_clips(rows, build(config, Given(table=str(table))), 1, done)
    segments, clips = gathered(rows, done)
    return segments, dict(clips.select("utt_id", "problem").iter_rows())


def test_a_folder_of_textgrids(tmp_path):
    folder = tmp_path / "grids"
    for place in ("speaker/one", "bonafide/two", "three"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{place}.TextGrid").write_text(LONG, encoding="utf-8")
    table = tmp_path / "t.tsv"
    segments, problems = import_folder(folder, table, "one", "bonafide-two", "three", "four")
    assert problems == {
        "one": "-",
        "bonafide-two": "-",
        "three": "-",
        "four": "not in the file",
    }
    assert segments.filter(utt_id="bonafide-two").rows() == [
        ("bonafide-two", 0.001, 0.5, "phone", "ʃ"),
        ("bonafide-two", 0.0, 0.75, "word", 'he said "hi!"'),
        ("bonafide-two", 0.75, 1.5, "silence", "trailing"),
    ]
    (folder / "other").mkdir()
    (folder / "other/one.TextGrid").write_text(LONG, encoding="utf-8")
    with pytest.raises(TableError, match="'other/one' and 'speaker/one' both belong to the clip"):
        import_folder(folder, table, "one")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"empty holds no file \.TextGrid"):
        list_textgrids(str(tmp_path / "empty"))
