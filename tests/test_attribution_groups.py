"""Mean evidence of groups of clips and of kinds of sound."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from explanations import checks_of, explanation
from spoofscope.attribution.groups import SOUNDS, by_sound, evidence_in, sounds_of
from spoofscope.attribution.store import Attributions, write_attributions
from spoofscope.corpora.mini.talker import _PHONES
from spoofscope.figures import attribution_groups as figure
from spoofscope.figures import style
from spoofscope.names import NONE
from spoofscope.phones import classes_of
from spoofscope.summaries import attribution_groups as summary
from spoofscope.tables import SEGMENT_COLUMNS, read_table, write_table

SETTINGS = {"resamples": 200, "bootstrap_seed": 1, "cluster": None}


def segments(*rows):
    return pl.DataFrame(rows, schema=SEGMENT_COLUMNS, orient="row")


def test_evidence_of_some_frames_is_what_they_add_to_the_score():
    item = explanation([[1.0, -2.0, 0.5, 0.0], [1.0, 0.0, 0.5, 2.0]])
    inside = np.array([True, True, False, False])
    evidence = evidence_in(item, inside)
    # Frames add 2, -2, 1 and 2 for bona fide.
    assert evidence.rows.tolist() == [1.0, -1.0]
    assert evidence.contribution == 0.0
    assert evidence.magnitude_share == pytest.approx(4 / 7)
    assert evidence.time_share == 0.5
    assert evidence.density == pytest.approx(8 / 7)
    assert evidence_in(item, np.zeros(4, bool)) is None


def test_frames_that_no_window_covers_do_not_count():
    item = explanation([1.0, 3.0, 0.0, 0.0], coverage=np.array([1, 1, 0, 0]))
    evidence = evidence_in(item, np.array([True, False, True, True]))
    assert (evidence.time_share, evidence.magnitude_share) == (0.5, 0.25)


def test_phones_stand_over_silences_and_labels_have_classes():
    times = np.arange(8) * 0.1
    rows = segments(
        ("a", 0.0, 0.25, "silence", "leading"),
        ("a", 0.2, 0.35, "phone", "S"),
        ("a", 0.35, 0.45, "phone", "AA1"),
        ("a", 0.45, 0.55, "phone", "pau"),
        ("a", 0.0, 0.8, "word", "sa"),
    )
    classes = classes_of(rows["label"])
    assert sounds_of(times, rows, classes).tolist() == [
        *("silence", "silence", "fricatives", "fricatives", "vowels", "other phones"),
        *("unaligned", "unaligned"),
    ]
    silences = rows.filter(tier="silence")
    assert sounds_of(times, silences, None).tolist() == ["silence"] * 3 + ["speech"] * 5


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ("AA1 y NG hh sil", ["vowels", "approximants", "nasals", "fricatives", None]),
        ("a y ŋ h sil", ["vowels", "vowels", "nasals", "fricatives", None]),
        ("ˈaɪ oː ɔ̃ ö ə˞ i˥", ["vowels"] * 6),
        ("tʃ t͡s d͡ʒ pf ç ɬ", ["fricatives"] * 6),
        ("tʰ kʷ t̪ ɡ ʔ b̥", ["plosives"] * 6),
        ("n̩ ɲ ɾ l̩ ɹ", ["nasals"] * 2 + ["approximants"] * 3),
        # What is of two classes, of no alphabet, or a pause that somebody wrote as a phone.
        ("nd sp pau N <eps> 1", [None] * 6),
    ],
)
def test_phones_have_classes_in_the_arpabet_and_in_the_ipa(labels, classes):
    found = classes_of(labels.split())
    assert [found.get(label) for label in labels.split()] == classes


def test_phones_of_the_mini_corpus_have_the_class_that_they_are_made_as():
    found = classes_of(_PHONES)
    kinds = {"nasals": "sonorant", "approximants": "sonorant"}
    assert {label: kinds.get(name, name[:-1]) for label, name in found.items()} == {
        label: phone.kind for label, phone in _PHONES.items()
    }


def test_sounds_come_in_their_order_and_only_where_they_are():
    items = [explanation(np.ones(10), utt_id=name) for name in "abc"]
    rows = segments(
        ("a", 0.0, 0.05, "silence", "x"), ("b", 0.0, 9.0, "silence", "x"), ("z", 0, 1, "word", "w")
    )
    sounds = by_sound(items, rows, dict.fromkeys("abc", 0.1))
    assert list(sounds) == ["silence", "speech"]
    assert set(sounds["silence"]) == {"a", "b"}
    assert set(sounds["speech"]) == {"a"}
    assert sounds["silence"]["a"].time_share == 0.5
    assert sounds["silence"]["a"].density == pytest.approx(1.0)
    assert set(sounds) <= set(SOUNDS)


def test_frames_around_a_clip_are_of_its_first_and_last_sound():
    """Long windows are centred before the start and behind the end; the last half hop, too."""
    item = explanation(np.ones(14))
    item = replace(item, settings=replace(item.settings, first_centre_seconds=-0.02))
    rows = segments(("a", 0.0, 0.03, "phone", "AA1"), ("a", 0.03, 0.0998, "phone", "S"))
    sounds = by_sound([item], rows, {"a": 0.1})
    shares = {kind: of_kind["a"].time_share for kind, of_kind in sounds.items()}
    assert shares == pytest.approx({"vowels": 5 / 14, "fricatives": 9 / 14})


@pytest.fixture
def explained(tmp_path):
    """Sixteen clips of eight speakers; codec m: only in spoofs of attack B; silence holds all."""
    rows, items, chosen = [], [], []
    for i in range(16):
        label = "bonafide" if i < 8 else "spoof"
        attack = NONE if i < 8 else "AB"[i % 2]
        name = f"u{i:02}"
        codec = "m" if attack == "B" else "-" if i == 0 else "o"
        rows.append((name, f"/{name}.wav", "eval", label, attack, f"s{i % 8}", 0.2, codec))
        values = np.zeros((2, 20))
        # Evidence for bona fide, in the first quarter; clip 0 has none.
        values[1, :5] = 0 if i == 0 else (1.0 if i < 8 else -1.0) * (1 + i % 2)
        items.append(explanation(values, utt_id=name, label=label, attack=attack))
        chosen.append((name, "near_wrong" if i == 15 else "per_attack"))
    columns = ["utt_id", "path", "split", "label", "attack", "speaker", "duration", "codec"]
    manifest = pl.DataFrame(rows, schema=columns, orient="row")
    extra = {"sample_rate": 16000, "audio_sha256": "-", "channels": 1}
    write_table(
        tmp_path / "m.tsv", manifest.with_columns(**{k: pl.lit(v) for k, v in extra.items()})
    )
    write_attributions(tmp_path / "a.safetensors", items[0].settings, items)
    write_table(
        tmp_path / "s.tsv",
        pl.DataFrame(chosen, schema=["utt_id", "chosen_by"], orient="row").with_columns(
            baseline_score=pl.lit(-17.0)
        ),
    )
    silences = [(f"u{i:02}", 0.0, 0.05, "silence", "leading") for i in range(1, 16)]
    write_table(tmp_path / "g.tsv", segments(*silences))
    entry = {"name": "cnn", "seed": 1, "corpus": "c", "split": "eval"}
    files = {"attributions": tmp_path / "a.safetensors", "summary": tmp_path / "s.tsv"}
    files["checks"] = checks_of(tmp_path, "cnn", insertion=1.0)
    return [entry | {key: str(path) for key, path in files.items()}], tmp_path


def made(explained, conditions=("attack", "codec", "speed"), **settings):
    entries, folder = explained
    outputs = {"table": str(folder / "t.tsv"), "rows": str(folder / "r.tsv")}
    summary.make(
        entries,
        str(folder / "m.tsv"),
        str(folder / "g.tsv"),
        conditions,
        outputs,
        **SETTINGS | settings,
    )
    return tuple(pl.read_csv(folder / name, separator="\t") for name in ("t.tsv", "r.tsv"))


def test_means_of_groups_are_of_the_random_sample(explained):
    table, rows = made(explained)
    row = {(r["kind"], r["group"], r["label"]): r for r in table.iter_rows(named=True)}
    # u15 was chosen by its score.
    assert row["class", "spoof", "spoof"]["n"] == 7
    assert row["attack", "B", "spoof"]["n"] == 3
    # Clips of attack A: 5 frames of 1 each; of B: of 2 each.
    assert row["attack", "A", "spoof"]["contribution"] == pytest.approx(5.0)
    assert row["attack", "B", "spoof"]["contribution"] == pytest.approx(10.0)
    assert row["class", "bonafide", "bonafide"]["contribution"] == pytest.approx(
        -(3 * 5 + 4 * 10 + 0) / 8
    )
    # "-" is no codec, and a column that the manifest has not is no condition.
    assert {group for kind, group, _ in row if kind == "codec"} == {"m", "o"}
    assert row["codec", "o", "bonafide"]["n"] == 7
    assert {kind for kind, _, _ in row} == {"class", "attack", "codec", "sound"}
    silence = row["sound", "silence", "spoof"]
    assert silence["density"] == pytest.approx(4.0)
    assert silence["time_share"] == pytest.approx(0.25)
    assert row["sound", "speech", "spoof"]["density"] == pytest.approx(0.0)
    # Only the second row of the maps has evidence.
    of_rows = rows.filter(kind="attack", group="B")
    assert of_rows["contribution"].to_list() == pytest.approx([0.0, 10.0])


def test_intervals_are_over_speakers_and_not_of_fewer_than_eight(explained):
    table, _ = made(explained)
    row = {(r["kind"], r["group"], r["label"]): r for r in table.iter_rows(named=True)}
    genuine = row["class", "bonafide", "bonafide"]
    assert genuine["clusters"] == 8
    assert genuine["ci_low"] < genuine["contribution"] < genuine["ci_high"]
    assert row["attack", "B", "spoof"]["ci_low"] is None
    assert made(explained)[0].equals(table)
    without, _ = made(explained, resamples=0)
    assert without["ci_low"].null_count() == without.height


@pytest.mark.slow
def test_the_figure_has_a_row_per_group(explained, monkeypatch):
    made(explained)
    _, folder = explained
    outputs = {suffix: str(folder / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")}
    frames = []
    monkeypatch.setattr(style.plt, "close", frames.append)
    figure.draw(str(folder / "t.tsv"), str(folder / "r.tsv"), outputs)
    # Its explanations fail, and its baseline is a spoof to it.
    assert "cnn †" in frames[0].axes[0].get_title(loc="left")
    assert "do not rely on them" in frames[0].get_suptitle()
    assert "baseline −17" in frames[0].axes[1].get_xlabel()
    # All explanations add up to their scores.
    assert "*" not in frames[0].axes[0].get_title(loc="left")
    columns = {"group": pl.String(), "contribution": pl.Float64(), "controls": pl.String()}
    numbers = read_table(folder / "f.tsv", columns)
    assert set(numbers["controls"]) == {"fails"}
    assert numbers.height == 2 * pl.read_csv(folder / "t.tsv", separator="\t").height


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "title"), [("integrated_gradients", " (2*) "), ("occlusion_time", "† (±")]
)
def test_incomplete_explanations_are_counted_and_marked(explained, monkeypatch, method, title):
    """They are in the means. Maps of occlusion need not add up."""
    (entry,), folder = explained
    found = Attributions(entry["attributions"])
    settings = replace(found.settings, method=method)
    # u15 is not of the random sample.
    items = [
        replace(found[name], settings=settings, converged=name not in ("u03", "u09", "u15"))
        for name in found.utt_ids
    ]
    write_attributions(entry["attributions"], settings, items)
    table, _ = made(explained)
    count = 2 if method == "integrated_gradients" else 0
    assert set(table["incomplete"]) == {count}
    outputs = {suffix: str(folder / f"f.{suffix}") for suffix in ("pdf", "png", "tsv")}
    frames = []
    monkeypatch.setattr(style.plt, "close", frames.append)
    figure.draw(str(folder / "t.tsv"), str(folder / "r.tsv"), outputs)
    assert title in frames[0].axes[0].get_title(loc="left")
    keys = [text.get_text() for text in frames[0].legends[0].get_texts()]
    assert ("*: explanations that are not complete" in keys) == bool(count)
