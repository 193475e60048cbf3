"""A corpus of human recordings, and of sentences that synthesizers say.

Layout of a generated folder:

* `flac/*.flac`: mono, 16 bit, levelled (`levelling`). The names do not show the class.
* `protocol.tsv`: utt_id, file, split, label, attack, speaker (of a spoof, its voice), engine,
  voice, rate, sentence, source (the recording behind a bona fide clip).
* `segments.tsv`: tiers phone and silence of the clips whose engine says when its phones end.
* `attacks.tsv`: attack, engine, voice, version of the engine, splits, clips, clips with phones.
* `sentences.tsv`: sentence, split, transcript.
"""

import logging
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope import audio
from spoofscope.corpora.manifest import in_threads
from spoofscope.corpora.splitting import split_groups
from spoofscope.corpora.tts.engines import ENGINES, Phone
from spoofscope.corpora.tts.levelling import (
    LEVELS_DB,
    NOISE_DB,
    TILTS_DB,
    colour,
    common_lengths,
    levelled,
    speech_of,
    spread,
)
from spoofscope.errors import CorpusError
from spoofscope.files import atomic_folder, one_line
from spoofscope.identity import rng_of
from spoofscope.options.corpora.tts import TtsOptions
from spoofscope.tables import SEGMENT_COLUMNS, SPLITS, write_segments, write_table

PAUSES = ("pau", "#", "sil", "ssil", "_")
"""What engines call a pause."""

_LONGEST_SENTENCE = 1000
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Clip:
    """A clip before it is levelled.

    path: of the recording, or of what the engine has written. sentence: its name, "-" if unknown.
    engine, voice, rate: of a spoof. start, end: of its speech, in samples of the corpus' rate.
    """

    split: str
    path: str
    speaker: str
    sentence: str
    source: str = "-"
    engine: str = "-"
    voice: str = "-"
    rate: float = 1.0
    start: int = 0
    end: int = 0
    phones: tuple[Phone, ...] = ()

    @property
    def attack(self) -> str:
        return "-" if self.engine == "-" else f"{self.engine}_{self.voice}"


def _human_rows(human: pl.DataFrame, options: TtsOptions, owner: str, seed: int) -> pl.DataFrame:
    """The bona fide rows of a manifest that are taken, with their split."""
    rows = human.filter(pl.col("label") == "bonafide").sort("utt_id")
    if rows.is_empty():
        raise CorpusError(f"{owner}.human: {options.human} has no bona fide recordings")
    rows = rows[rng_of(seed, "human").permutation(rows.height)]
    if options.fractions is not None:
        speakers = [
            speaker if speaker != "-" else f"- {utt_id}"
            for speaker, utt_id in rows.select("speaker", "utt_id").iter_rows()
        ]
        # The order of the recordings would put speakers of many into train first.
        order = sorted(
            dict.fromkeys(sorted(speakers)), key=lambda s: rng_of(seed, "speaker", s).random()
        )
        dealt = split_groups(order, options.fractions.to_dict(), f"{owner}.fractions")
        split_of = dict(zip(order, dealt, strict=True))
        rows = rows.with_columns(pl.Series("split", [split_of[name] for name in speakers]))
    most = options.human_clips.to_dict()
    return pl.concat(rows.filter(pl.col("split") == split).head(most[split]) for split in SPLITS)


def _clean(text: str) -> str:
    """A sentence as it is spoken: in one line; not in capitals, which engines may spell."""
    line = one_line(text)
    return line.lower() if line.isupper() else line


def _sentences(
    rows: pl.DataFrame, options: TtsOptions, given: Sequence[str], owner: str, seed: int
) -> dict[str, dict[str, str]]:
    """Split to the sentences that are spoken in it, name to text; no sentence is in two splits."""
    splits = [split for split in SPLITS if (rows["split"] == split).any()]
    split_of: dict[str, str] = {}
    if options.text is not None:
        if options.text not in rows.columns:
            raise CorpusError(
                f"{owner}.text: the manifest of {options.human} has no column {options.text!r}; it "
                f"has {', '.join(rows.columns)}"
            )
        for split, text in rows.select("split", options.text).iter_rows():
            sentence = _clean(text)
            if sentence not in ("", "-"):
                split_of.setdefault(sentence, split)
    else:
        texts = list(dict.fromkeys(filter(None, map(_clean, given))))
        order = [texts[i] for i in rng_of(seed, "sentences").permutation(len(texts))]
        fractions = (
            options.fractions.to_dict()
            if options.fractions is not None
            else {split: (split in splits) / len(splits) for split in SPLITS}
        )
        split_of = dict(zip(order, split_groups(order, fractions, owner), strict=True))
    for sentence in split_of:
        if len(sentence) > _LONGEST_SENTENCE:
            raise CorpusError(
                f"{owner}: a sentence has {len(sentence)} letters, {sentence[:60]!r}...; at most "
                f"{_LONGEST_SENTENCE} can be spoken in one clip"
            )
    names = {text: f"s{i:05d}" for i, text in enumerate(sorted(split_of))}
    dealt: dict[str, dict[str, str]] = {split: {} for split in splits}
    for text in sorted(split_of):
        if split_of[text] in dealt:
            dealt[split_of[text]][names[text]] = text
    return dealt


def _orders(
    options: TtsOptions, sentences: Mapping[str, Mapping[str, str]], folder: Path, seed: int
) -> list[tuple[_Clip, str]]:
    """The clips that are to be spoken, with their texts."""
    most = options.voice_clips.to_dict()
    orders: list[tuple[_Clip, str]] = []
    for entry in options.engines:
        for voice in entry.voices:
            for split in SPLITS:
                names = list(sentences.get(split, ()))
                if split not in entry.splits or not names:
                    continue
                order = rng_of(seed, "spoken", entry.engine, voice, split).permutation(len(names))
                for i in range(min(most[split], len(names) * len(entry.rates))):
                    turn, place = divmod(i, len(names))
                    name = names[order[place]]
                    rate = entry.rates[(place + turn) % len(entry.rates)]
                    path = folder / f"{len(orders):07d}.wav"
                    clip = _Clip(
                        split, str(path), f"{entry.engine}_{voice}", name, "-",
                        entry.engine, voice, rate,
                    )  # fmt: skip
                    orders.append((clip, sentences[split][name]))
    return orders


def _samples(clip: _Clip, sample_rate: int) -> npt.NDArray[np.float32]:
    samples, _ = audio.read(clip.path, sample_rate)
    return samples


def _with_speech(clip: _Clip, sample_rate: int) -> _Clip | None:
    bounds = speech_of(_samples(clip, sample_rate), sample_rate)
    if bounds is None:
        return None
    return replace(clip, start=bounds[0], end=bounds[1])


@dataclass(frozen=True)
class _Cut:
    """How a clip is levelled: its first sample and length, and see `levelling.levelled`."""

    clip: _Clip
    first: int
    length: int
    level_db: float
    tilt_db: float
    noise_db: float


def _cuts(clips: Sequence[_Clip], seed: int) -> list[_Cut]:
    """How the clips of one split are levelled: each attack, and bona fide, in the same way."""
    groups: dict[str, list[_Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.attack, []).append(clip)
    lengths = common_lengths({name: [c.end - c.start for c in own] for name, own in groups.items()})
    cuts = []
    for name, own in groups.items():
        rng = rng_of(seed, "cut", own[0].split, name)
        dealt = (spread(len(own), *range_db, rng) for range_db in (LEVELS_DB, TILTS_DB, NOISE_DB))
        for clip, length, level, tilt, noise in zip(own, lengths[name], *dealt, strict=True):
            first = clip.start + int(rng.integers(0, clip.end - clip.start - length + 1))
            cuts.append(_Cut(clip, first, length, float(level), float(tilt), float(noise)))
    return cuts


def _segments(utt_id: str, cut: _Cut, sample_rate: int) -> list[tuple[str, float, float, str, str]]:
    """The phones of what is left of a clip."""
    begin, length = cut.first / sample_rate, cut.length / sample_rate
    rows = []
    for phone in cut.clip.phones:
        start, end = max(0.0, phone.start - begin), min(length, phone.end - begin)
        # A remainder of less than a millisecond is none of the clip's phones.
        if end - start >= 0.001:
            tier = "silence" if phone.label in PAUSES else "phone"
            rows.append((utt_id, round(start, 6), round(end, 6), tier, phone.label))
    return rows


def generate_corpus(
    out_dir: Path,
    settings: Mapping[str, Any],
    human: pl.DataFrame,
    seed: int,
    *,
    key: str,
    workers: int,
    read: Collection[str] = SPLITS,
) -> None:
    """Make the corpus. The same recordings, engines, options and seed give the same clips.

    Args:
        out_dir: replaced as a whole when the new corpus is complete, untouched until then.
        settings: those of `options.corpora.tts.TtsOptions`.
        human: the manifest of the corpus `human`.
        seed: of all random choices.
        key: the corpus' name in the study file, for messages.
        workers: synthesizers that run at the same time.
        read: the splits that the study reads; train and dev among them need both classes.

    Raises:
        CorpusError: an engine or a voice that this machine does not have, or an engine that fails;
            no bona fide recordings with speech; a column or a file of sentences that is not there;
            no sentence that a voice could speak, or none in train or dev, where recordings are.
        AudioError: a recording that cannot be decoded.
    """
    owner = f"corpora.{key}"
    options = TtsOptions.from_dict(settings, owner)
    rate = options.sample_rate
    versions: dict[str, str] = {}
    for entry in options.engines:
        versions[entry.engine] = ENGINES[entry.engine].version()
        ENGINES[entry.engine].check_voices(entry.voices)
    rows = _human_rows(human, options, owner, seed)
    sentences = _sentences(rows, options, _given(options, owner), owner, seed)
    names = {text: name for own in sentences.values() for name, text in own.items()}
    texts = rows[options.text].to_list() if options.text else ["-"] * rows.height
    recorded = [
        _Clip(
            row["split"], row["path"], row["speaker"], names.get(_clean(text), "-"), row["utt_id"]
        )
        for row, text in zip(rows.iter_rows(named=True), texts, strict=True)
    ]
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(out_dir) as folder:
        (folder / "spoken").mkdir()
        orders = _orders(options, sentences, folder / "spoken", seed)
        if not orders:
            raise CorpusError(
                f"{owner}: nothing to speak in {', '.join(sentences)}: no sentences there, "
                "or no voices (`splits` of `engines`)"
            )
        # The reader would say so when all is spoken.
        for split in ("train", "dev"):
            heard = any(clip.split == split for clip, _ in orders)
            if split in read and split in sentences and not heard:
                raise CorpusError(
                    f"{owner}: no voice would speak in {split}, which has recordings, and train "
                    "and dev need both classes: there is no sentence, or no voice (`splits` of "
                    f"`engines`); change that, or leave {split} out (`splits` of the corpus)"
                )

        def speak(order: tuple[_Clip, str]) -> _Clip:
            clip, text = order
            said = ENGINES[clip.engine].say(text, clip.voice, clip.rate, Path(clip.path))
            return replace(clip, phones=tuple(said))

        spoken = in_threads(speak, orders, workers)
        both = [*recorded, *spoken]
        found = in_threads(lambda clip: _with_speech(clip, rate), both, workers)
        clips = [clip for clip in found if clip is not None]
        _report_left_out([clip for clip, speech in zip(both, found, strict=True) if not speech])
        if not any(clip.attack == "-" for clip in clips):
            raise CorpusError(
                f"{owner}.human: no recording of {options.human} has half a second of speech"
            )
        cuts: list[_Cut] = []
        for split in SPLITS:
            cuts += _cuts([clip for clip in clips if clip.split == split], seed)
        target = np.mean(
            in_threads(
                lambda clip: colour(_samples(clip, rate)[clip.start : clip.end], rate),
                [clip for clip in clips if clip.engine == "-"],
                workers,
            ),
            axis=0,
        )
        cut = dict(zip(_ids(len(cuts), seed), cuts, strict=True))

        def write(item: tuple[str, _Cut]) -> None:
            utt_id, one = item
            samples = _samples(one.clip, rate)[one.first : one.first + one.length]
            rng = rng_of(seed, "noise", utt_id)
            whole = levelled(samples, rate, target, one.tilt_db, one.noise_db, one.level_db, rng)
            audio.write(folder / "flac" / f"{utt_id}.flac", whole, rate)

        (folder / "flac").mkdir()
        in_threads(write, cut.items(), workers)
        shutil.rmtree(folder / "spoken")
        _write_tables(folder, cut, sentences, rate, versions)


def _given(options: TtsOptions, owner: str) -> list[str]:
    """The sentences that the study lists, or its file."""
    if options.sentence_file is None:
        return list(options.sentences or ())
    path = Path(options.sentence_file)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"{owner}.sentence_file: {path} cannot be read: {error}; it is a text in UTF-8 with a "
            "sentence in every line"
        ) from error
    if not any(line.strip() for line in lines):
        raise CorpusError(f"{owner}.sentence_file: {path} has no sentence")
    return lines


def _report_left_out(clips: Sequence[_Clip]) -> None:
    for attack, n in Counter(clip.attack for clip in clips).items():
        what = "recordings" if attack == "-" else f"clips of {attack}"
        first = next(clip for clip in clips if clip.attack == attack)
        _LOGGER.warning(
            "%d %s are left out: less than half a second of speech; the first is %s",
            n, what, first.source if attack == "-" else first.sentence,
        )  # fmt: skip


def _ids(n: int, seed: int) -> list[str]:
    """Names in random order, so that they do not show the class."""
    return [f"TTS_{number:06d}" for number in rng_of(seed, "ids").permutation(n)]


def _write_tables(
    folder: Path,
    cut: Mapping[str, _Cut],
    sentences: Mapping[str, Mapping[str, str]],
    sample_rate: int,
    versions: Mapping[str, str],
) -> None:
    protocol, segments = [], []
    for utt_id in sorted(cut):
        clip = cut[utt_id].clip
        protocol.append(
            {
                "utt_id": utt_id,
                "file": f"flac/{utt_id}.flac",
                "split": clip.split,
                "label": "bonafide" if clip.engine == "-" else "spoof",
                "attack": clip.attack,
                "speaker": clip.speaker,
                "engine": clip.engine,
                "engine_version": versions.get(clip.engine, "-"),
                "voice": clip.voice,
                "rate": "-" if clip.engine == "-" else f"{clip.rate:g}",
                "sentence": clip.sentence,
                "source": clip.source,
            }
        )
        segments += _segments(utt_id, cut[utt_id], sample_rate)
    write_table(folder / "protocol.tsv", pl.DataFrame(protocol))
    write_segments(
        folder / "segments.tsv", pl.DataFrame(segments, schema=SEGMENT_COLUMNS, orient="row")
    )
    of_attack: dict[str, list[_Clip]] = {}
    for one in cut.values():
        of_attack.setdefault(one.clip.attack, []).append(one.clip)
    write_table(
        folder / "attacks.tsv",
        pl.DataFrame(
            {
                "attack": attack,
                "engine": own[0].engine,
                "voice": own[0].voice,
                "version": versions[own[0].engine],
                "splits": ",".join(s for s in SPLITS if any(c.split == s for c in own)),
                "clips": len(own),
                "with_phones": sum(bool(clip.phones) for clip in own),
            }
            for attack, own in sorted(of_attack.items())
            if attack != "-"
        ),
    )
    write_table(
        folder / "sentences.tsv",
        pl.DataFrame(
            {"sentence": name, "split": split, "transcript": text}
            for split, own in sentences.items()
            for name, text in own.items()
        ),
    )
