"""Labels and words by a recogniser that was trained with CTC.

Graves et al., Connectionist temporal classification, ICML 2006: in every frame the network says how
likely each label is, or the blank. The best path through the frames that spells the transcript is
found by dynamic programming (`torchaudio.functional.forced_align`). On it a label is a spike of a
frame or two, and nearly all frames are blank, those of speech, too. So a blank is no silence, and
a spike is no edge of a phone. Spikes are widened to segments, and another aligner says where
silence is:

* Two neighbours in speech meet halfway between their spikes; two words in the middle of the spike
  of the delimiter between them, where the recogniser has one.
* A silence between two spikes ends the first and begins the second.
* The first label of a clip begins, and the last one ends, at the silence there, or at the end of
  the clip.
* A word reaches from the start of its first label to the end of its last.
* A label whose spike lies in a silence keeps the frames of its spike; such labels are counted.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope import audio
from spoofscope.alignment.base import Aligned, Aligner, Clip, Given, Span, read_clips
from spoofscope.alignment.pauses import SILENCE
from spoofscope.alignment.transcripts import (
    DELIMITER,
    TranscriptError,
    Words,
    in_letters,
    in_phones,
    words_of,
)
from spoofscope.audio import Samples
from spoofscope.errors import ConfigError
from spoofscope.frontends.backbones import Recogniser, load_recogniser
from spoofscope.names import NONE
from spoofscope.options import nearest
from spoofscope.options.aligners import Ctc
from spoofscope.tables import read_segments

FROM_TRANSCRIPT, RECOGNISED = "transcript", "recognised"

Floats = npt.NDArray[np.float32]


class Spike(NamedTuple):
    """A label on the best path: its first frame, one past its last, and the mean probability that
    the recogniser gives it there.
    """

    start: int
    end: int
    probability: float


class FrameTimes(NamedTuple):
    """When the frames of a recogniser are, by its convolutions.

    A frame sees `field` samples, and the next one the samples `hop` later. It stands for the `hop`
    samples in the middle of what it sees; the first and the last one also for what is before and
    after.
    """

    hop: int
    field: int
    rate: int

    @classmethod
    def of(cls, kernels: Sequence[int], strides: Sequence[int], rate: int) -> "FrameTimes":
        """Those of a stack of convolutions without padding, in Hz of its input."""
        hop, field = 1, 1
        for kernel, stride in zip(kernels, strides, strict=True):
            field += (kernel - 1) * hop
            hop *= stride
        return cls(hop, field, rate)

    def edge(self, frame: int) -> float:
        """Where a frame begins, in seconds; that of the first one lies behind the clip's start."""
        return ((self.field - self.hop) / 2 + frame * self.hop) / self.rate


def spikes(emissions: Floats, labels: Sequence[int], blank: int) -> list[Spike]:
    """Where the best path has each label.

    Args:
        emissions: (frames, labels) logarithms of probabilities.
        labels: places of the labels in order, without blanks; at least one.
        blank: the place of the blank.

    Raises:
        TranscriptError: there are too few frames.
    """
    import torch
    from torchaudio.functional import forced_align

    # Between two equal labels there is a blank.
    needed = len(labels) + sum(a == b for a, b in pairwise(labels))
    if needed > len(emissions):
        raise TranscriptError(
            f"{len(labels)} labels need {needed} frames or more, and the clip has {len(emissions)}"
        )
    path, scores = forced_align(
        torch.from_numpy(emissions)[None],
        torch.tensor([labels], dtype=torch.int32),
        blank=blank,
    )
    on_path, log = path[0].numpy(), scores[0].numpy().astype(np.float64)
    changes = np.flatnonzero(np.diff(on_path, prepend=-1)).tolist()
    stretches = zip(changes, [*changes[1:], len(on_path)], strict=True)
    return [
        Spike(start, end, float(np.exp(log[start:end]).mean()))
        for start, end in stretches
        if on_path[start] != blank
    ]


def greedy(emissions: Floats, blank: int) -> list[int]:
    """The labels that a recogniser hears: the likeliest of every frame, repetitions once, without
    blanks.

    Args:
        emissions: (frames, labels).
        blank: the place of the blank.
    """
    best = emissions.argmax(axis=1)
    kept = best[np.flatnonzero(np.diff(best, prepend=-1))]
    return [int(label) for label in kept if label != blank]


class Bounds(NamedTuple):
    """Start and end of a label in seconds, and whether its spike lies in a silence."""

    start: float
    end: float
    in_silence: bool


Times = Sequence[tuple[float, float]]


def widened(
    found: Times, meetings: Sequence[float], silences: Times, duration: float
) -> list[Bounds]:
    """Segments of labels from their spikes, see the module.

    Args:
        found: start and end of each spike in s, in order; they do not overlap.
        meetings: where each of them meets the next one in speech, in s.
        silences: start and end of each silence in s, in order; they do not overlap.
        duration: of the clip in s.
    """
    edges = [0.0, *(edge for silence in silences for edge in silence), duration]
    sounds = list(zip(edges[::2], edges[1::2], strict=True))
    ends = [end for _, end in sounds]
    result = []
    for i, (start, end) in enumerate(found):
        middle = (start + end) / 2
        place = bisect_right(ends, middle)
        if place == len(sounds) or middle < sounds[place][0]:
            after = sounds[place][0] if place < len(sounds) else duration
            before = ends[place - 1] if place else 0.0
            result.append(Bounds(max(start, before), min(end, after), True))
            continue
        low, high = sounds[place]
        # Where a silence lies between two spikes, it bounds both of them.
        if i and found[i - 1][1] > low:
            low = meetings[i - 1]
        if i + 1 < len(found) and found[i + 1][0] < high:
            high = meetings[i]
        result.append(Bounds(low, high, False))
    return result


class CtcAligner(Aligner):
    """A recogniser from the hub, aligned with a transcript or with what it hears itself.

    Raises:
        DetectorError: it cannot be loaded.
    """

    options_type = Ctc

    def __init__(self, options: Ctc, given: Given) -> None:
        assert given.table is not None
        assert given.clips is not None
        self._options = options
        self._device = given.device
        self._recogniser: Recogniser = load_recogniser(given.backbone)
        self._recogniser.network.to(given.device)
        config = self._recogniser.description.config
        self._rate = self._recogniser.description.sample_rate
        self._times = FrameTimes.of(config.conv_kernel, config.conv_stride, self._rate)
        self._silences: dict[str, list[Span]] = {}
        clips = read_clips(given.clips).filter(pl.col("problem") != NONE)
        self._unknown = dict(clips.select("utt_id", "problem").iter_rows())
        segments = read_segments(given.table).select("utt_id", "start", "end", "tier", "label")
        for utt_id, *span in segments.iter_rows():
            if span[2] == SILENCE:
                self._silences.setdefault(utt_id, []).append(Span(*span))

    def align(self, clip: Clip) -> Aligned:
        """The tiers of one clip.

        Raises:
            ConfigError: the manifest has no column of the name in `transcript`.
        """
        pauses = self._silences.get(clip.utt_id, [])
        longest = self._options.longest
        if clip.duration > longest:
            return Aligned(pauses, problem=f"longer than {longest:g} s (key `longest`)")
        problem = NONE
        if clip.utt_id in self._unknown:
            problem = f"silence: {self._unknown[clip.utt_id]}"
        said: Words | None = None
        if self._options.transcript is not None:
            try:
                said = self._transcript(clip, self._options.transcript)
            except TranscriptError as error:
                problem = str(error)
                if not self._options.recognise_missing:
                    return Aligned(pauses, problem=problem)
        samples, _ = audio.read(clip.path, self._rate)
        if samples.size < self._times.field:
            return Aligned(pauses, problem="shorter than a frame of the recogniser")
        emissions = self.emissions(samples)
        source = RECOGNISED if said is None else FROM_TRANSCRIPT
        words = self._heard(emissions) if said is None else said
        if not words:
            return Aligned(pauses, problem="the recogniser hears nothing")
        try:
            found = self._spikes(words, emissions)
        except TranscriptError as error:
            return Aligned(pauses, problem=str(error))
        spans, in_silence = self._spans(words, found, pauses, clip.duration)
        confidence = float(np.mean([spike.probability for spike, _ in found]))
        return Aligned([*spans, *pauses], source, confidence, in_silence, problem)

    def _transcript(self, clip: Clip, column: str) -> Words:
        if column not in clip.columns:
            raise ConfigError(
                f"transcript: {clip.utt_id} has no column {column!r} in its manifest; "
                f"{nearest(column, clip.columns)}"
            )
        spelt = in_letters if self._options.tier == "character" else in_phones
        return spelt(clip.columns[column], self._recogniser.vocabulary)

    def emissions(self, samples: Samples) -> Floats:
        """Logarithms of the probabilities of all labels, (frames, labels).

        Args:
            samples: (n,) at the recogniser's rate.
        """
        import torch

        waveform = torch.from_numpy(samples)[None].to(self._device)
        if self._recogniser.description.normalize:
            # As the feature extractor of transformers does it.
            waveform = (waveform - waveform.mean()) / (waveform.var(correction=0) + 1e-7).sqrt()
        with torch.inference_mode():
            logits = self._recogniser.network(waveform).logits[0].float()
            log: Floats = logits.log_softmax(dim=-1).cpu().numpy()
        return log

    def _heard(self, emissions: Floats) -> Words:
        names = {place: name for name, place in self._recogniser.vocabulary.items()}
        heard = [names.get(place, "<unk>") for place in greedy(emissions, self._recogniser.blank)]
        # Marks such as the end of a sentence are said by nobody.
        labels = [name for name in heard if not name.startswith(("<", "["))]
        return words_of(labels, self._options.tier)

    def _spikes(self, words: Words, emissions: Floats) -> list[tuple[Spike, float]]:
        """Of every label its spike, and where it meets the next one, in s."""
        vocabulary = self._recogniser.vocabulary
        delimiter = [DELIMITER] if DELIMITER in vocabulary else []
        names = [name for _, labels in words for name in (*delimiter, *labels)][len(delimiter) :]
        places = [vocabulary[name] for name in names]
        found = spikes(emissions, places, self._recogniser.blank)
        kept = []
        for i, (name, spike) in enumerate(zip(names, found, strict=True)):
            if name == DELIMITER:
                continue
            following = found[i + 1] if i + 1 < len(found) else spike
            meeting = (spike.end + following.start) / 2
            if i + 1 < len(found) and names[i + 1] == DELIMITER:
                meeting = (following.start + following.end) / 2
            kept.append((spike, self._times.edge(0) + meeting * self._times.hop / self._rate))
        return kept

    def _spans(
        self,
        words: Words,
        found: Sequence[tuple[Spike, float]],
        pauses: Sequence[Span],
        duration: float,
    ) -> tuple[list[Span], int]:
        """The tiers of labels and words, and how many labels lie in a silence."""
        edge = self._times.edge
        bounds = widened(
            [(edge(spike.start), edge(spike.end)) for spike, _ in found],
            [meeting for _, meeting in found],
            [(pause.start, pause.end) for pause in pauses],
            duration,
        )
        tier = self._options.tier
        spans, of_words, first = [], [], 0
        for text, labels in words:
            own = bounds[first : first + len(labels)]
            first += len(labels)
            spans += [
                Span(each.start, each.end, tier, label)
                for each, label in zip(own, labels, strict=True)
            ]
            of_words.append(Span(own[0].start, own[-1].end, "word", text))
        return [*spans, *of_words], sum(each.in_silence for each in bounds)
