"""The attacks of a corpus as source tracing sees them."""

import polars as pl
import pytest

from planning import plan_of
from spoofscope.corpora.families import families_of
from spoofscope.errors import ConfigError, TableError
from spoofscope.plan.study_plan import checked
from spoofscope.tracing.systems import (
    quadrants,
    read_label_assignment,
    read_systems,
    renumbered,
    systems,
    with_source_text,
    write_label_assignment,
    write_systems,
)


def manifest(*rows: str, **columns: list[str]) -> pl.DataFrame:
    """Rows as `split attack language`; bona fide ones have the attack `-`."""
    fields = [row.split() for row in rows]
    return pl.DataFrame(
        {
            "utt_id": [f"u{i}" for i in range(len(rows))],
            "split": [split for split, _, _ in fields],
            "label": ["bonafide" if attack == "-" else "spoof" for _, attack, _ in fields],
            "attack": [attack for _, attack, _ in fields],
            "language": [language for *_, language in fields],
            **columns,
        }
    )


TOY = (
    *("train b en", "train Z de", "train a en", "train - en", "dev y en", "dev a fr"),
    *("eval x en", "eval y fr", "eval b -", "eval - fr", "dev w de"),
)


def test_known_attacks_by_name_then_the_others_as_they_come():
    table = systems(manifest(*TOY))
    # Upper case before lower case, as code points have it; w is in dev, so before x.
    assert table["attack"].to_list() == ["Z", "a", "b", "y", "w", "x"]
    assert table["known"].to_list() == ["yes"] * 3 + ["no"] * 3
    assert table["known_id"].to_list() == [0, 1, 2, -1, -1, -1]
    assert table["global_id"].to_list() == [0, 1, 2, 3, 4, 5]
    assert table.select("n_train", "n_dev", "n_eval").rows() == [
        *((1, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1), (0, 1, 0), (0, 0, 1))
    ]
    assert table.select("n_languages", "languages").rows() == [
        *((1, "de"), (2, "en,fr"), (1, "en"), (2, "en,fr"), (1, "de"), (1, "en"))
    ]


def test_lines_of_the_protocol_decide_the_order():
    rows = manifest("train a en", "dev y en", "dev x en", "dev w en", protocol_line=["2"] * 4)
    later = rows.with_columns(pl.Series("protocol_line", ["2", "10", "9", "100"]))
    assert systems(later)["attack"].to_list() == ["a", "x", "y", "w"]
    with pytest.raises(TableError, match="'protocol_line': 'ten' of the utterance 'u1' is not"):
        systems(rows.with_columns(pl.Series("protocol_line", ["2", "ten", "9", "100"])))


def test_the_manifest_says_more_than_names():
    families = [["*VITS*", "vits", "vits", "hifigan"], ["*", "other", "-", "-"]]
    rows = manifest(
        *("train x/vits en", "train x/vits en", "dev bark en"),
        vocoder=["-", "bigvgan", "-"],
    )
    table = systems(rows, families)
    assert table.select("attack", "family", "acoustic_model", "vocoder").rows() == [
        ("x/vits", "vits", "vits", "bigvgan"),
        ("bark", "other", "-", "-"),
    ]
    with pytest.raises(TableError, match=r"'vocoder': .*'x/vits' have different values, 'bigvgan'"):
        systems(rows.with_columns(pl.Series("vocoder", ["hifigan", "bigvgan", "-"])))


def test_one_clip_no_train_no_spoof():
    assert systems(manifest("train a en"))["n_train"].to_list() == [1]
    alone = systems(manifest("eval b en", "eval a en"))
    assert alone["known"].to_list() == ["no", "no"]
    assert alone["attack"].to_list() == ["b", "a"]
    with pytest.raises(TableError, match="no spoof"):
        systems(manifest("train - en"))


def test_known_attacks_that_dev_lacks_have_no_clips_there():
    table = systems(manifest("train a en", "train b en", "dev a en", "eval c en"))
    assert table.filter(pl.col("known") == "yes")["n_dev"].to_list() == [1, 0]


def test_quadrants():
    assert quadrants(manifest(*TOY)).to_list() == [
        *["language_seen_attack_seen"] * 3,
        *("-", "language_seen_attack_unseen", "language_unseen_attack_seen"),
        *("language_seen_attack_unseen", "language_unseen_attack_unseen", "-", "-"),
        "language_seen_attack_unseen",
    ]
    assert quadrants(manifest(*TOY).drop("language")).unique().to_list() == ["-"]


def test_round_trips(tmp_path):
    table = systems(manifest(*TOY), families_of("mini"))
    write_systems(tmp_path / "s.tsv", table)
    assert read_systems(tmp_path / "s.tsv").equals(table)
    write_label_assignment(tmp_path / "l.txt", table)
    lines = (tmp_path / "l.txt").read_text().splitlines()
    assert lines[0] == f"Z{' ' * 49}|0  |ID"
    assert lines[3] == f"y{' ' * 49}|3  |OOD"
    read = read_label_assignment(tmp_path / "l.txt")
    assert read.equals(table.select("attack", "known", "global_id"))


def test_the_numbers_of_a_given_list(tmp_path):
    table = systems(manifest(*TOY))
    lines = ["b|0|ID", "Z|1|ID", "a|2|ID", "x|3|OOD", "w|4|OOD", "y|5|OOD"]
    (tmp_path / "l.txt").write_text("\n".join(lines))
    given = read_label_assignment(tmp_path / "l.txt")
    other = renumbered(table, given, "l.txt")
    assert other["attack"].to_list() == ["b", "Z", "a", "x", "w", "y"]
    assert other["known_id"].to_list() == [0, 1, 2, -1, -1, -1]
    same = ["attack", "known", "n_train", "n_dev", "n_eval", "languages"]
    assert other.sort("attack").select(same).equals(table.sort("attack").select(same))
    write_systems(tmp_path / "s.tsv", other)
    assert read_systems(tmp_path / "s.tsv").equals(other)
    write_label_assignment(tmp_path / "again.txt", other)
    assert read_label_assignment(tmp_path / "again.txt").equals(given)
    for change, message in (
        (given.filter(pl.col("attack") != "y"), r"l\.txt lacks the attack 'y'"),
        (given.with_columns(attack=pl.lit("q")), r"lacks the attack 'Z'"),
        (
            pl.concat([given, given.tail(1).with_columns(attack=pl.lit("q"))]),
            "has an attack that the corpus lacks, 'q'",
        ),
        (given.with_columns(known=pl.lit("yes")), "'y' is ID, and train has no spoof of it"),
    ):
        with pytest.raises(TableError, match=message):
            renumbered(table, change, "l.txt")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a|0|ID\nb|1|maybe", "line 2: expected a name, a number, and ID or OOD"),
        ("a|0|ID\nb|x|ID", "line 2: expected"),
        ("a|0|ID\na|1|ID", "'a' is there twice"),
        ("a|0|OOD\nb|1|ID", "known ones"),
        ("a|0|ID\nb|2|ID", "numbered from 0"),
    ],
)
def test_bad_lists(tmp_path, lines, message):
    (tmp_path / "l.txt").write_text(lines)
    with pytest.raises(TableError, match=rf"l\.txt: .*{message}"):
        read_label_assignment(tmp_path / "l.txt")


def test_a_name_that_no_list_can_hold(tmp_path):
    table = systems(manifest("train a|b en"))
    with pytest.raises(TableError, match=r"'a\|b' cannot stand in a list"):
        write_label_assignment(tmp_path / "l.txt", table)


def test_names_tell_families():
    of = {pattern: values for pattern, *values in families_of("asvspoof2019_la")}
    assert {f"A{i:02}" for i in range(1, 20)} < set(of)
    # The paper says that these are the same two systems.
    assert of["A16"] == of["A04"]
    assert of["A19"] == of["A06"]
    names = ["vits", "tts_models/de/thorsten/tacotron2-DDC", "facebook/mms-tts-deu", "mystery"]
    table = systems(manifest(*(f"train {n} en" for n in names)), families_of("table"))
    assert dict(table.select("attack", "family").rows()) == {
        names[0]: "vits",
        names[1]: "tacotron",
        names[2]: "mms-tts",
        names[3]: "-",
    }


def test_families_of_what_mlaad_trains_on():
    coqui = "tts_models"
    names = {
        f"{coqui}/en/ljspeech/tacotron2-DDC": ("tacotron", "tacotron2", "hifigan"),
        f"{coqui}/en/ljspeech/tacotron2-DDC_ph": ("tacotron", "tacotron2", "univnet"),
        f"{coqui}/en/ljspeech/vits--neon": ("vits", "vits", "hifigan"),
        f"{coqui}/it/mai_female/glow-tts": ("glow-tts", "glow-tts", "-"),
        f"{coqui}/multilingual/multi-dataset/bark": ("bark", "bark", "encodec"),
        f"{coqui}/multilingual/multi-dataset/xtts_v1.1": ("xtts", "xtts", "-"),
        "MeloTTS": ("melotts", "vits", "hifigan"),
        "facebook/mms-tts-deu": ("mms-tts", "vits", "hifigan"),
        "griffin_lim": ("griffin-lim", "-", "griffin-lim"),
        "suno/bark-small": ("bark", "bark", "encodec"),
        "vixTTS": ("xtts", "xtts", "hifigan"),
    }
    table = systems(manifest(*(f"train {name} en" for name in names)), families_of("mlaad"))
    found = table.select("attack", "family", "acoustic_model", "vocoder").rows()
    assert {attack: tuple(rest) for attack, *rest in found} == names


def test_a_corpus_that_is_not_there():
    study = {"study": "s", "corpora": {"own": {"type": "folder", "path": "data"}}}
    with pytest.raises(ConfigError, match=r"tracing\.corpora\[0\]: 'owm' .*did you mean 'own'"):
        checked({**study, "tracing": {"corpora": ["owm"]}})
    with pytest.raises(ConfigError, match=r"tracing\.numbers\.owm: .*did you mean 'own'"):
        checked({**study, "tracing": {"corpora": ["own"], "numbers": {"owm": "l.txt"}}})


def test_a_list_of_numbers_is_an_input_of_the_job():
    corpora = {"own": {"type": "folder", "path": "data"}}
    study = {"study": "s", "corpora": corpora}
    plans = [
        plan_of(checked({**study, "tracing": {"corpora": ["own"], **numbers}}))
        for numbers in ({}, {"numbers": {"own": "l.txt"}})
    ]
    without, given = (plan.tracing.list_systems("own") for plan in plans)
    assert "l.txt" in given.products
    assert "l.txt" not in without.products
    assert given.params != without.params


def test_texts_are_those_of_the_first_column_that_says_them():
    table = pl.DataFrame({"utt_id": ["a", "b"], "base_utt": ["r", "-"]})
    assert with_source_text(table)["source_text"].to_list() == ["r", "-"]
    table = table.with_columns(sentence=pl.Series(["s", "s"]))
    assert with_source_text(table)["source_text"].to_list() == ["s", "s"]
    table = table.with_columns(source_text=pl.Series(["-", "t"]))
    assert with_source_text(table).equals(table)
    assert with_source_text(table.select("utt_id"))["source_text"].to_list() == ["-", "-"]
