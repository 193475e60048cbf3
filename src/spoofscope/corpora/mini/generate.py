"""The mini corpus: recordings of an artificial talker, and spoofs with known cues.

Layout of a generated folder:

* `flac/*.flac`: 16 kHz, mono, 16 bit. The names do not show the class.
* `protocol.tsv`: utt_id, file, split, label, attack, speaker, gender, language, codec, base_utt
  (the bona fide recording behind a spoof; its own id for bona fide), sentence.
* `segments.tsv`: tiers word, phone, silence and, for spoofs, artefact, these with the band of
  frequencies that the cue is in; a cue in several bands has a segment for each.
* `attacks.tsv`: the cue of each attack, its place, and the splits.
* `sentences.tsv`: sentence, language, transcript.
* `tracing/`: the spoofs without codec in the layout of MLAAD (Müller et al., IJCNN 2024), as WAV,
  with `train.csv`, `dev.csv` and `eval.csv` of a source-tracing protocol.

The design, not chance, balances other properties between the classes: every attack takes as many
utterances of every speaker, a short one for every long one, and the levels of every attack and of
the bona fide clips cover the same range evenly.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import soundfile

from spoofscope import audio
from spoofscope.corpora.mini.attacks import ATTACKS, Attack
from spoofscope.corpora.mini.talker import (
    SAMPLE_RATE,
    Recording,
    Segment,
    Sentence,
    Signal,
    Silences,
    Speaker,
    make_sentence,
    make_speaker,
    speak,
)
from spoofscope.files import atomic_folder, write_text
from spoofscope.identity import rng_of
from spoofscope.options.corpora.mini import MiniGeneratorOptions
from spoofscope.tables import BAND_COLUMNS, SPLITS, write_segments, write_table

SPLIT_LANGUAGES = {"train": ("qaa", "qab"), "dev": ("qaa", "qab"), "eval": ("qaa", "qab", "qac")}
"""Languages of each split; `qac` is in eval only."""

CODECS: dict[str, dict[str, Any]] = {
    "mulaw": {"format": "WAV", "subtype": "ULAW"},
    # With these of libsndfile's compression levels, about 35 and 32 kbit/s here.
    "opus": {"format": "OGG", "subtype": "OPUS", "compression_level": 0.9},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III", "compression_level": 0.7},
}
"""Codecs of the eval split, and their names in libsndfile."""

_SHORTEST, _LONGEST = 1.4, 2.2  # s
_SILENCE, _SILENCE_RANGE = 0.11, 0.11  # s
_QUIETEST, _LOUDEST = -35.0, -21.0  # dB re full scale, root mean square


@dataclass
class _Utterance:
    split: str
    attack: Attack | None  # None is bona fide
    speaker: Speaker
    sentence: str
    samples: Signal
    segments: Sequence[Segment]
    base: "_Utterance | None"  # None is itself
    utt_id: str = ""
    codec: str = "-"
    level: float = 0.0  # dB re full scale


def _durations(n_sentences: int) -> Signal:
    return np.linspace(_SHORTEST, _LONGEST, n_sentences)


def _sentences(split: str, n: int, seed: int) -> dict[str, tuple[str, Sentence]]:
    """All sentences of a split by name, with their language, from short to long."""
    sentences = {}
    for language in SPLIT_LANGUAGES[split]:
        for index, duration in enumerate(_durations(n)):
            name = f"{language}-{split}-{index:02d}"
            n_words = max(3, round((duration - 0.5) / 0.31))
            rng = rng_of(seed, "sentence", name)
            sentences[name] = (language, make_sentence(language, n_words, rng))
    return sentences


def _record(
    split: str, options: Mapping[str, Any], sentences: Mapping[str, tuple[str, Sentence]], seed: int
) -> list[list[tuple[_Utterance, Recording]]]:
    """The bona fide recordings of a split, per speaker, from short to long."""
    n_sentences = options["sentences"][split]
    languages = SPLIT_LANGUAGES[split]
    spoken = []
    for index in range(options["speakers"][split]):
        name = f"{split[0].upper()}{index:02d}"
        # Two speakers in a row are a woman and a man: both get the same language.
        language = languages[index // 2 % len(languages)]
        speaker = make_speaker(name, index, language, rng_of(seed, "speaker", name))
        recordings = []
        # The k-th shortest and the k-th longest, which spoofs take together (see _corrupt), have
        # opposite silences, so that a pair is never more silent than the average.
        half = rng_of(seed, "silences", name).random((n_sentences // 2, 3))
        silences = [
            Silences(*(_SILENCE + _SILENCE_RANGE * row))
            for row in np.concatenate([half, 1 - half[::-1]])
        ]
        for number, duration in enumerate(_durations(n_sentences)):
            sentence = f"{language}-{split}-{number:02d}"
            rng = rng_of(seed, "recording", name, sentence)
            length = duration + rng.uniform(-0.03, 0.03)
            recording = speak(speaker, sentences[sentence][1], length, silences[number], rng)
            utterance = _Utterance(
                split, None, speaker, sentence, recording.samples, recording.segments, None
            )
            recordings.append((utterance, recording))
        spoken.append(recordings)
    return spoken


def _corrupt(
    split: str,
    spoken: list[list[tuple[_Utterance, Recording]]],
    n_spoofs: int,
    wanted: Sequence[str] | None,
    seed: int,
) -> list[_Utterance]:
    """Every attack of the split on `n_spoofs` utterances of every speaker.

    Args:
        wanted: names of attacks; None takes all. Each takes the same utterances in both cases.
    """
    attacks = [attack for attack in ATTACKS if split in attack.splits]
    spoofs = []
    for row, own in enumerate(spoken):
        n_pairs = len(own) // 2
        for column, attack in enumerate(attacks):
            if wanted is not None and attack.name not in wanted:
                continue
            for turn in range(n_spoofs // 2):
                # The k-th shortest goes with the k-th longest, so no attack has longer utterances
                # than the bona fide; the shift spreads the attacks over sentences and speakers.
                pair = (row + column + turn) % n_pairs
                for number in (pair, len(own) - 1 - pair):
                    base, recording = own[number]
                    rng = rng_of(seed, "spoof", attack.name, base.speaker.name, base.sentence)
                    samples, artefacts = attack.spoof(recording, rng)
                    segments = (*base.segments, *artefacts)
                    spoofs.append(
                        _Utterance(
                            split, attack, base.speaker, base.sentence, samples, segments, base
                        )
                    )
    return spoofs


def _balance(utterances: list[_Utterance], codecs: Sequence[str], seed: int) -> None:
    """Give every utterance an id, a level and, in eval, a codec, in equal shares per attack."""
    split = utterances[0].split
    groups: dict[str, list[_Utterance]] = {}
    for utterance in utterances:
        groups.setdefault(utterance.attack.name if utterance.attack else "-", []).append(utterance)
    for name, group in groups.items():
        rng = rng_of(seed, "balance", split, name)
        if split == "eval" and codecs:
            # Three of four of every group stay without a codec.
            order = rng.permutation(len(group))[3 * len(group) // 4 :]
            for turn, index in enumerate(order):
                group[index].codec = codecs[turn % len(codecs)]
        for codec in ("-", *codecs):
            same = [utterance for utterance in group if utterance.codec == codec]
            share = (rng.permutation(len(same)) + 0.5) / max(len(same), 1)
            for utterance, position in zip(same, share, strict=True):
                utterance.level = float(_QUIETEST + (_LOUDEST - _QUIETEST) * position)
    order = rng_of(seed, "order", split).permutation(len(utterances))
    for number, index in enumerate(order):
        utterances[index].utt_id = f"MINI_{split[0].upper()}_{number:04d}"


def _scaled(samples: Signal, level: float) -> Signal:
    """Without DC and at `level` dB; exact zeros stay exact."""
    sounding = samples != 0
    x = samples.copy()
    x[sounding] -= x[sounding].mean()
    x *= 10 ** (level / 20) / np.sqrt(np.mean(x**2))
    return np.asarray(np.round(x * 32768) / 32768)


def _coded(samples: Signal, codec: str) -> Signal:
    """Encode and decode in memory; libsndfile compensates the codecs' delays."""
    stream = io.BytesIO()
    soundfile.write(stream, samples, SAMPLE_RATE, **CODECS[codec])
    stream.seek(0)
    decoded, _ = soundfile.read(stream, dtype="float64")
    return np.asarray(decoded[: samples.size])


def _model_name(attack: Attack) -> str:
    # MLAAD's own names have slashes too; its folders have underscores in their place.
    return f"mini/{attack.scope}/{attack.name}"


def _write_tracing(
    folder: Path, spoofs: Sequence[_Utterance], sentences: Mapping[str, tuple[str, Sentence]]
) -> None:
    meta: dict[Path, list[str]] = {}
    protocols: dict[str, list[str]] = {split: ["path,model_name"] for split in SPLITS}
    for utterance in sorted(spoofs, key=lambda u: u.utt_id):
        attack = utterance.attack
        assert attack is not None
        if utterance.split == "train" and not attack.known:
            continue
        speaker, model = utterance.speaker, _model_name(attack)
        place = Path("fake") / speaker.language / model.replace("/", "_")
        path = f"./{place.as_posix()}/{utterance.utt_id}.wav"
        audio.write(
            folder / place / f"{utterance.utt_id}.wav",
            _scaled(utterance.samples, utterance.level),
            SAMPLE_RATE,
        )
        protocols[utterance.split].append(f"{path},{model}")
        source = (
            f"{speaker.language}/by_book/{speaker.gender}/{speaker.name}/mini/wavs/"
            f"{utterance.sentence}.wav"
        )
        fields = [
            path, source, speaker.language, "True", f"{utterance.samples.size / SAMPLE_RATE:.4f}",
            "mini", model, attack.cue, sentences[utterance.sentence][1].text,
        ]  # fmt: skip
        meta.setdefault(place, []).append("|".join(fields))
    header = (
        "path|original_file|language|is_original_language|duration|training_data|model_name|"
        "architecture|transcript"
    )
    for place, lines in meta.items():
        write_text(folder / place / "meta.csv", "\n".join([header, *lines]) + "\n")
    for split, lines in protocols.items():
        write_text(folder / f"{split}.csv", "\n".join(lines) + "\n")


def _write_tables(
    folder: Path, utterances: Sequence[_Utterance], sentences: Mapping[str, tuple[str, Sentence]]
) -> None:
    write_table(
        folder / "protocol.tsv",
        pl.DataFrame(
            {
                "utt_id": utterance.utt_id,
                "file": f"flac/{utterance.utt_id}.flac",
                "split": utterance.split,
                "label": "spoof" if utterance.attack else "bonafide",
                "attack": utterance.attack.name if utterance.attack else "-",
                "speaker": utterance.speaker.name,
                "gender": utterance.speaker.gender,
                "language": utterance.speaker.language,
                "codec": utterance.codec,
                "base_utt": (utterance.base or utterance).utt_id,
                "sentence": utterance.sentence,
            }
            for utterance in utterances
        ),
    )
    write_segments(
        folder / "segments.tsv",
        pl.DataFrame(
            (
                {
                    "utt_id": utterance.utt_id,
                    "start": segment.start / SAMPLE_RATE,
                    "end": segment.end / SAMPLE_RATE,
                    "tier": segment.tier,
                    "label": segment.label,
                    "low_hz": segment.low_hz,
                    "high_hz": segment.high_hz,
                }
                for utterance in utterances
                for segment in utterance.segments
            ),
            schema_overrides=BAND_COLUMNS,
        ),
    )
    write_table(
        folder / "attacks.tsv",
        pl.DataFrame(
            {
                "attack": attack.name,
                "cue": attack.cue,
                "scope": attack.scope,
                "splits": ",".join(attack.splits),
                "model_name": _model_name(attack),
                "traced_in_training": "yes" if attack.known else "no",
                "plants": ",".join(attack.plants) or "-",
                "description": attack.description,
            }
            for attack in ATTACKS
        ),
    )
    write_table(
        folder / "sentences.tsv",
        pl.DataFrame(
            {"sentence": name, "language": language, "transcript": sentence.text}
            for name, (language, sentence) in sentences.items()
        ),
    )


def generate_corpus(out_dir: Path, options: Mapping[str, Any], seed: int) -> None:
    """Generate the corpus; the same options and seed give the same bytes.

    Args:
        out_dir: replaced as a whole when the new corpus is complete, untouched until then.
        options: those of `options.corpora.mini.MiniGeneratorOptions`.
        seed: of all random choices.

    Raises:
        ConfigError: an unknown option, or an impossible number or codec.
    """
    resolved = MiniGeneratorOptions.from_dict(options, "corpus mini").to_dict()
    sentences: dict[str, tuple[str, Sentence]] = {}
    utterances: list[_Utterance] = []
    for split in SPLITS:
        texts = _sentences(split, resolved["sentences"][split], seed)
        spoken = _record(split, resolved, texts, seed)
        of_split = [utterance for of_speaker in spoken for utterance, _ in of_speaker]
        of_split += _corrupt(split, spoken, resolved["spoofs"], resolved["attacks"], seed)
        _balance(of_split, resolved["codecs"], seed)
        sentences.update(texts)
        utterances += of_split
    utterances.sort(key=lambda utterance: utterance.utt_id)
    with atomic_folder(out_dir) as folder:
        for utterance in utterances:
            samples = _scaled(utterance.samples, utterance.level)
            if utterance.codec != "-":
                samples = _coded(samples, utterance.codec)
            audio.write(folder / "flac" / f"{utterance.utt_id}.flac", samples, SAMPLE_RATE)
        _write_tables(folder, utterances, sentences)
        spoofs = [utterance for utterance in utterances if utterance.attack]
        _write_tracing(folder / "tracing", spoofs, sentences)
