"""Speech whose phones are known: flite says it, and prints when each phone ends.

The voices are those whose recordings have the very length that the phones add up to. The numbers
stand in docs/alignment.md.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spoofscope import audio
from spoofscope.alignment.align import align_clips, build, gathered
from spoofscope.alignment.base import Given
from spoofscope.alignment.ctc import CtcAligner
from spoofscope.files import write_json
from spoofscope.frontends.backbones import fetch_backbone
from spoofscope.tables import write_segments, write_table
from spoofscope.textgrids import list_textgrids

pytestmark = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")

VOICES = ("slt", "rms", "awb")
SENTENCES = (
    "Don't shoot, the cat is here.",
    "She had your dark suit in greasy wash water, all year.",
    "Well. I do not know, he said, but it may be true.",
)
PAUSE = "pau"

Phones = list[tuple[float, float, str]]


def say(voice: str, text: str, path: Path) -> Phones:
    """Start, end (s) and name of every phone."""
    command = ["flite", "-psdur", "-voice", voice, "-t", text, "-o", str(path)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    phones: Phones = []
    for entry in printed.split():
        name, end = entry.rsplit(":", 1)
        phones.append((phones[-1][1] if phones else 0.0, float(end), name))
    return phones


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> dict[str, Phones]:
    """Path of a recording to its phones."""
    folder = tmp_path_factory.mktemp("flite")
    return {
        str(folder / f"{voice}{i}.wav"): say(voice, text, folder / f"{voice}{i}.wav")
        for voice in VOICES
        for i, text in enumerate(SENTENCES)
    }


@pytest.fixture(scope="module")
def rows(spoken) -> pl.DataFrame:
    """Rows of a manifest, with the phones as transcripts, which have no pauses."""
    return pl.DataFrame(
        {
            "utt_id": [Path(path).stem for path in spoken],
            "path": list(spoken),
            "duration": [audio.info(path).duration for path in spoken],
            "phones": [
                " ".join(name for *_, name in phones if name != PAUSE) for phones in spoken.values()
            ],
        }
    )


def aligned(rows: pl.DataFrame, config: dict, **files) -> tuple[pl.DataFrame, pl.DataFrame]:
    done: dict = {}
    align_clips(rows, build(config, Given(**files)), 1, done)
    return gathered(rows, done)


def pauses_of(phones: Phones) -> list[tuple[float, float]]:
    return [(start, end) for start, end, name in phones if name == PAUSE]


def textgrid(phones: Phones) -> str:
    """In the short form."""
    end = phones[-1][1]
    head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", str(end)]
    head += ["<exists>", "1", '"IntervalTier"', '"phones"', "0", str(end), str(len(phones))]
    return "\n".join(head + [f'{start}\n{end}\n"{name}"' for start, end, name in phones]) + "\n"


@pytest.fixture(scope="module")
def known(spoken, rows, tmp_path_factory) -> tuple[Path, pl.DataFrame]:
    """The alignment that is imported from TextGrids of these phones, and its folder."""
    folder = tmp_path_factory.mktemp("grids")
    for path, phones in spoken.items():
        name = f"{Path(path).stem}.TextGrid"
        (folder / name).write_text(textgrid(phones), encoding="utf-16")
    table, read = list_textgrids(str(folder))
    assert len(read) == len(spoken)
    write_table(folder / "textgrids.tsv", table)
    segments, clips = aligned(
        rows, {"type": "textgrid", "path": "-"}, table=f"{folder}/textgrids.tsv"
    )
    assert set(clips["problem"]) == {"-"}
    write_segments(folder / "known.tsv", segments)
    write_table(folder / "known.clips.tsv", clips)
    return folder, segments


def test_textgrids_are_imported_to_the_millisecond(spoken, known):
    _, segments = known
    for path, phones in spoken.items():
        of_clip = segments.filter(utt_id=Path(path).stem)
        duration = audio.info(path).duration
        # Flite rounds its times; the recording may be some milliseconds shorter than they are.
        assert phones[-1][1] == pytest.approx(duration, abs=0.006)
        said = [(start, end, name) for start, end, name in phones if name != PAUSE]
        assert of_clip.filter(tier="phone").select("start", "end", "label").rows() == said
        silent = of_clip.filter(tier="silence").select("start", "end").rows()
        wanted = [(start, min(end, round(duration, 4))) for start, end in pauses_of(phones)]
        assert silent == wanted


def errors(found: list[tuple[float, float]], wanted: list[tuple[float, float]]) -> list[float]:
    """Differences of edges inside of a clip, in s, of silences that overlap."""
    differences = []
    for start, end in wanted:
        for low, high in found:
            if low < end and high > start:
                differences += [low - start] if start > 0 else []
                differences += [high - end] if end < wanted[-1][1] else []
    return differences


def silences(segments: pl.DataFrame, utt_id: str) -> list[tuple[float, float]]:
    return segments.filter(utt_id=utt_id, tier="silence").select("start", "end").rows()


def test_silences_by_level_are_the_pauses(spoken, rows):
    """All pauses but the shortest are found, and nothing else; words fade before they end."""
    segments, _ = aligned(rows, {"type": "energy", "shortest_silence": 0.05})
    differences, missed, n_pauses = [], [], 0
    for path, phones in spoken.items():
        found = silences(segments, Path(path).stem)
        pauses = pauses_of(phones)
        n_pauses += len(pauses)
        missed += [b - a for a, b in pauses if not any(s < b and e > a for s, e in found)]
        differences += errors(found, pauses)
        # No silence without a pause.
        assert all(any(s < b and e > a for a, b in pauses) for s, e in found), path
    absolute = 1000 * np.abs(differences)
    print(
        f"\nenergy: {n_pauses} pauses, {len(missed)} missed; edges {np.median(absolute):.0f} ms "
        f"(median), {np.percentile(absolute, 90):.0f} ms (90 %), {absolute.max():.0f} ms (most)"
    )
    assert n_pauses == 33
    assert len(missed) <= 1
    assert all(duration < 0.1 for duration in missed)
    assert np.median(absolute) < 15
    assert np.percentile(absolute, 90) < 40


def test_silences_by_silero_vad_are_the_long_pauses(spoken, rows):
    pytest.importorskip("silero_vad")
    segments, clips = aligned(rows, {"type": "vad", "shortest_silence": 0.05})
    assert set(clips["problem"]) == {"-"}
    differences, long, missed = [], 0, 0
    for path, phones in spoken.items():
        found, pauses = silences(segments, Path(path).stem), pauses_of(phones)
        differences += errors(found, pauses)
        lasting = [(a, b) for a, b in pauses if b - a >= 0.15]
        long += len(lasting)
        missed += sum(not any(s < b and e > a for s, e in found) for a, b in lasting)
        # No silence without a pause.
        assert all(any(s < b and e > a for a, b in pauses) for s, e in found), path
    absolute = 1000 * np.abs(differences)
    print(
        f"\nvad: {long} pauses of 0.15 s or more, {missed} missed; "
        f"edges {np.median(absolute):.0f} ms (median), "
        f"{np.percentile(absolute, 90):.0f} ms (90 %), {absolute.max():.0f} ms (most)"
    )
    assert missed <= 2
    assert np.median(absolute) < 40


# --- forced alignment of emissions that are made from the phones ---------------------------------


@pytest.fixture(scope="module")
def phone_listener(spoken, tmp_path_factory) -> Path:
    """A recogniser whose vocabulary are flite's phones."""
    folder = tmp_path_factory.mktemp("phones") / "w"
    fetch_backbone({"family": "wav2vec2", "tiny": {}, "head": "ctc"}, folder, 1)
    names = sorted({name for phones in spoken.values() for *_, name in phones} - {PAUSE})
    assert len(names) < 32
    write_json(folder / "vocab.json", {"<pad>": 0} | {n: i for i, n in enumerate(names, start=1)})
    return folder


def made_from(phones: Phones, aligner: CtcAligner, n_frames: int, spiky: bool) -> np.ndarray:
    """Emissions of a recogniser that hears phones: in all of their frames, or in the middle one."""
    vocabulary = aligner._recogniser.vocabulary
    emissions = np.full((n_frames, 32), 0.001, dtype=np.float32)
    times = np.array([(320 * i + 200) / 16000 for i in range(n_frames)])
    blank = np.ones(n_frames, dtype=bool)
    for start, end, name in phones:
        if name == PAUSE:
            continue
        inside = np.flatnonzero((times >= start) & (times < end))
        if spiky or not inside.size:
            inside = np.abs(times - (start + end) / 2).argmin(keepdims=True)
        emissions[inside, vocabulary[name]] = 0.9
        blank[inside] = False
    emissions[blank, 0] = 0.9
    return np.log(emissions / emissions.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("spiky", "median", "most"), [(False, 8, 25), (True, 12, 60)])
def test_phones_come_back(spoken, rows, known, phone_listener, monkeypatch, spiky, median, most):
    """From emissions that were made of them, through frames, path, segments and tables."""
    folder, truth = known
    config = {
        "type": "ctc",
        "tier": "phone",
        "transcript": "phones",
        "backbone": "w",
        "silence": "known",
    }
    files = {
        "table": str(folder / "known.tsv"),
        "clips": str(folder / "known.clips.tsv"),
        "backbone": {"family": "wav2vec2", "folder": str(phone_listener)},
    }
    phones_of = {audio.read(path)[0].tobytes(): phones for path, phones in spoken.items()}

    def emissions(self: CtcAligner, samples: np.ndarray) -> np.ndarray:
        n_frames = (samples.size - 400) // 320 + 1
        return made_from(phones_of[samples.tobytes()], self, n_frames, spiky)

    monkeypatch.setattr(CtcAligner, "emissions", emissions)
    segments, clips = aligned(rows, config, **files)
    assert set(clips["problem"]) == {"-"}
    assert set(clips["source"]) == {"transcript"}
    assert set(clips["in_silence"]) == {0}
    wanted = truth.filter(tier="phone")
    got = segments.filter(tier="phone")
    assert got.select("utt_id", "label").equals(wanted.select("utt_id", "label"))
    absolute = 1000 * np.abs(
        np.concatenate([(got[edge] - wanted[edge]).to_numpy() for edge in ("start", "end")])
    )
    print(
        f"\nctc, {'one frame' if spiky else 'all frames'}: {got.height} phones; edges "
        f"{np.median(absolute):.1f} ms (median), {np.percentile(absolute, 90):.0f} ms (90 %), "
        f"{absolute.max():.0f} ms (most)"
    )
    assert np.median(absolute) < median
    assert absolute.max() < most
    # What another aligner says of silence is in the table as it was.
    assert segments.filter(tier="silence").equals(truth.filter(tier="silence"))
