"""Signal measures of whole utterances and of frames. NumPy only.

An utterance's measures are the trivial cues of `corpora.cues` and some that say more about speech,
about the traces that synthesis leaves, and about the place: pitch and how it changes from cycle to
cycle, harmonicity, spectral shape, clicks, hum, reverberation.
"""

from pathlib import Path

import numpy as np
import polars as pl

from spoofscope import audio
from spoofscope.artefacts.pitch import PITCH_SECONDS, VOICED, cycles, pitch
from spoofscope.artefacts.published import PUBLISHED, measure_as_published
from spoofscope.artefacts.room import hum, reverberation
from spoofscope.artefacts.spectra import FLOOR, Floats, Spectra, decibels, frames_around
from spoofscope.audio import Samples
from spoofscope.corpora import cues
from spoofscope.errors import AudioError
from spoofscope.shards.journal import Done, work_through
from spoofscope.tables import read_table, write_table

SPEECH_MEASURES = (
    "speech_length",
    "onset_level",
    "f0_median",
    "f0_variation",
    "jitter",
    "shimmer",
    "voiced_share",
    "harmonicity",
    "snr",
    "flatness",
    "centroid",
    "high_band",
    "spikiness",
    "click_rate",
    "largest_step",
    "hum",
    "reverberation",
)
MEASURES = (*cues.CUES, *SPEECH_MEASURES)
"""Names of the utterance measures, in the order of :func:`measure`."""

FRAME_MEASURES = ("energy", "zero_crossings", "centroid", "flatness", "high_band", "periodicity")
"""Names of the frame measures, in the order of :func:`frame_measures`."""

_HOP_SECONDS = 0.010
_FRAME_SECONDS = 0.032
_ONSET_SECONDS = 0.100
_SPIKE_HZ = 500.0
_CLICK = 8.0


def _spikiness(power: Floats, frequencies: Floats) -> float:
    """How far the long-term spectrum rises above its running median of 500 Hz at most, in dB."""
    level = decibels(power)[1:]
    width = 2 * int(_SPIKE_HZ / 2 / (frequencies[1] - frequencies[0])) + 1
    padded = np.pad(level, width // 2, mode="reflect")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    return float(np.max(level - medians))


def _clicks_per_second(samples: Samples, sample_rate: int) -> float:
    """Second differences beyond 8 times their RMS in the 20 ms around, per second."""
    differences = np.diff(samples.astype(np.float64), 2)
    size = round(0.020 * sample_rate)
    total = np.pad(np.cumsum(differences**2), (1, 0))
    positions = np.arange(differences.size)
    low = np.maximum(positions - size // 2, 0)
    high = np.minimum(positions + size // 2, differences.size)
    local = np.maximum((total[high] - total[low]) / np.maximum(high - low, 1), FLOOR)
    outliers = np.abs(differences) > _CLICK * np.sqrt(local)
    # One click makes up to three outliers in a row.
    starts = outliers & ~np.pad(outliers, (3, 0))[:-3] & ~np.pad(outliers, (1, 0))[:-1]
    return float(starts.sum() / (samples.size / sample_rate))


def measure(samples: Samples, sample_rate: int) -> dict[str, float | None]:
    """All utterance measures of one clip; None where a measure is not defined.

    The trivial cues of `corpora.cues.measure`, and over frames that are not silent:

    * `speech_length` (s): the duration without leading and trailing silence
    * `onset_level` (dB): first 100 ms against the whole clip, not below -120
    * `f0_median` (Hz), `f0_variation` (half the distance of the 16th and 84th percentile, in
      semitones), `voiced_share`, `harmonicity` (median harmonics-to-noise ratio of voiced frames,
      dB): None without voiced frames, but for the share. Medians, because every pitch tracker makes
      octave errors
    * `jitter`, `shimmer` (shares): see :func:`pitch.cycles`; None without voiced cycles
    * `snr` (dB): 95th over 5th percentile of the frame powers of the whole clip
    * `flatness` (dB), `centroid` (Hz), `high_band` (power above 4 kHz, dB): means over frames
    * `spikiness` (dB): how far the long-term spectrum rises above its own running median
    * `click_rate` (per second): outliers of the second difference
    * `largest_step` (dB): largest change of level between adjacent frames
    * `hum` (dB), `reverberation` (s): see :mod:`spoofscope.artefacts.room`; None in clips of less
      than 0.5 s, or where the level never falls by 15 dB

    Args:
        samples: (n,) float32 in about [-1, 1].
        sample_rate: Hz.

    Raises:
        AudioError: the clip is shorter than 40 ms.
    """
    if samples.size < PITCH_SECONDS * sample_rate:
        raise AudioError(f"a clip of {samples.size} samples is too short to be measured (40 ms)")
    hop = round(_HOP_SECONDS * sample_rate)
    centres = np.arange(hop // 2, samples.size, hop, dtype=np.int64)
    spectra = Spectra(
        frames_around(samples, centres, round(_FRAME_SECONDS * sample_rate)), sample_rate
    )
    loud = ~cues.silent_frames(samples, sample_rate)[: centres.size]
    # A clip without signal has no loud frame; its spectrum is measured all the same.
    speech = loud if loud.any() else np.ones(centres.size, dtype=bool)
    energy = spectra.energy()
    f0, strength = pitch(
        frames_around(samples, centres, round(PITCH_SECONDS * sample_rate)), sample_rate
    )
    voiced = (strength > VOICED) & loud
    changes = cycles(samples, sample_rate, centres, f0, voiced)
    trivial = cues.measure(samples, sample_rate)
    onset = samples[: round(_ONSET_SECONDS * sample_rate)]
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    onset_power = float(np.mean(np.square(onset, dtype=np.float64)))
    semitones = 12 * np.log2(f0[voiced])
    others: dict[str, float | None] = {
        "speech_length": max(
            0.0, trivial["duration"] - trivial["leading_silence"] - trivial["trailing_silence"]
        ),
        "onset_level": float(decibels(onset_power / max(power, FLOOR))),
        "f0_median": float(np.median(f0[voiced])) if voiced.any() else None,
        "f0_variation": float(np.ptp(np.percentile(semitones, [16, 84])) / 2)
        if voiced.any()
        else None,
        "jitter": changes.jitter,
        "shimmer": changes.shimmer,
        "voiced_share": float(voiced[speech].mean()),
        "harmonicity": float(np.median(decibels(strength[voiced] / (1 - strength[voiced]))))
        if voiced.any()
        else None,
        "snr": float(np.percentile(energy, 95) - np.percentile(energy, 5)),
        "flatness": float(spectra.flatness()[speech].mean()),
        "centroid": float(spectra.centroid()[speech].mean()),
        "high_band": float(spectra.high_band()[speech].mean()),
        "spikiness": _spikiness(spectra.power[speech].mean(axis=0), spectra.frequencies),
        "click_rate": _clicks_per_second(samples, sample_rate),
        "largest_step": float(np.max(np.abs(np.diff(energy)))),
        "hum": hum(samples, sample_rate),
        "reverberation": reverberation(energy, _HOP_SECONDS),
    }
    return {**trivial, **others}


def frame_measures(samples: Samples, sample_rate: int, times: Floats) -> dict[str, Floats]:
    """Measures (n,) on a given grid of frames, each over 32 ms around the frame's centre.

    * `energy` (dB re full scale), `zero_crossings` (share of neighbouring samples of unlike sign)
    * `centroid` (Hz), `flatness` (dB), `high_band` (dB): as in :func:`measure`
    * `periodicity`: normalised autocorrelation at the best pitch period, in [0, 1]

    Args:
        samples: (n_samples,) float32.
        sample_rate: Hz.
        times: (n,) centres in seconds, from the start of the clip.
    """
    centres = np.rint(times * sample_rate).astype(np.int64)
    frames = frames_around(samples, centres, round(_FRAME_SECONDS * sample_rate))
    spectra = Spectra(frames, sample_rate)
    crossings = np.mean(np.signbit(frames[:, 1:]) != np.signbit(frames[:, :-1]), axis=1)
    _, strength = pitch(
        frames_around(samples, centres, round(PITCH_SECONDS * sample_rate)), sample_rate
    )
    return {
        "energy": spectra.energy(),
        "zero_crossings": crossings,
        "centroid": spectra.centroid(),
        "flatness": spectra.flatness(),
        "high_band": spectra.high_band(),
        "periodicity": strength,
    }


def measure_utterances(
    rows: pl.DataFrame, workers: int, done: Done | None = None, *, as_published: bool = False
) -> pl.DataFrame:
    """Measure the clips of manifest rows: utt_id and `MEASURES`, null where not defined.

    Args:
        rows: utt_id and path.
        workers: threads.
        done: the measures of clips that are finished; the others are added.
        as_published: whether the ten of `published.PUBLISHED` follow.

    Raises:
        AudioError: a file cannot be read or is too short; it is named.
    """

    def one(path: str) -> dict[str, float | None]:
        clip = audio.Clip(path)
        samples, sample_rate = clip.whole(), clip.rate
        try:
            measured = measure(samples, sample_rate)
            if clip.channels > 1:
                # As the audit: the mean of channels hides that one of them is clipped.
                measured["clipping"] = clip.clipped_share
            if as_published:
                measured |= measure_as_published(samples, sample_rate)
            return measured
        except AudioError as error:
            raise AudioError(f"{path}: {error}") from error

    done = {} if done is None else done
    work_through(rows.select("utt_id", "path").iter_rows(), one, done, workers)
    names = (*MEASURES, *PUBLISHED) if as_published else MEASURES
    schema = {"utt_id": pl.String(), **dict.fromkeys(names, pl.Float64())}
    measured = [{"utt_id": utt_id, **done[utt_id]} for utt_id in rows["utt_id"]]
    return pl.DataFrame(measured, schema=schema)


def write_measures(path: str | Path, table: pl.DataFrame) -> None:
    """Write the table of :func:`measure_utterances`; null is an empty field."""
    write_table(path, table)


def read_measures(path: str | Path) -> pl.DataFrame:
    """Read what :func:`write_measures` wrote.

    Raises:
        TableError: as `tables.read_table`; a measure is neither empty nor a finite number.
    """
    return read_table(path, {"utt_id": pl.String()}, rest=pl.Float64())
