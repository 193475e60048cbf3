"""What a corpus would teach a detector besides deepfakes: counts, duplicates, leaks, trivial cues.

An augmented copy of a corpus is audited like one, and compared with its originals. Every file is
decoded once; only files that seem to be the same are read again, to compare their samples.
"""

import functools
import hashlib
import itertools
import math
import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import polars as pl

from spoofscope import audio
from spoofscope.corpora import copies
from spoofscope.corpora.base import Problem
from spoofscope.corpora.counts import Count, counts
from spoofscope.corpora.cues import (
    CUES,
    auc,
    auc_growth,
    auc_interval,
    evidence_of_speakers,
    in_words,
    measure_all,
)
from spoofscope.corpora.splitting import uneven
from spoofscope.errors import AudioError
from spoofscope.names import ALL, NONE
from spoofscope.shards.journal import Done, in_processes
from spoofscope.tables import LABELS, MANIFEST_COLUMNS, SPLITS

AUDIT_COLUMNS: dict[str, pl.DataType] = {
    "check": pl.String(),
    "split": pl.String(),
    "attack": pl.String(),
    "item": pl.String(),
    "value": pl.Float64(),
    "status": pl.String(),
    "note": pl.String(),
}
CUE_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("split", "attack", "cue"), pl.String()),
    **dict.fromkeys(("auc", "low", "high", "median_bonafide", "median_spoof"), pl.Float64()),
    **dict.fromkeys(("n_bonafide", "n_spoof"), pl.Int64()),
    **dict.fromkeys(("speakers_bonafide", "speakers_spoof"), pl.Int64()),
    "status": pl.String(),
}
LEVEL_COLUMNS: dict[str, pl.DataType] = {
    **dict.fromkeys(("split", "condition", "level"), pl.String()),
    **dict.fromkeys(("n_bonafide", "n_spoof", "n_speakers"), pl.Int64()),
}
STATUSES = ("ok", "planted", "warn", "fail")

HARMLESS = (0.4, 0.6)
"""AUCs of cues that raise no alarm."""

# Headers of compressed formats may count the encoder's padding.
_LENGTH_TOLERANCE_SECONDS = 0.1
# So many samples tell recordings apart; what looks the same is read again.
_COMPARED_SAMPLES = 4096
_SAMPLES_AT_ONCE = 1 << 22
# A condition with more levels is a name of some kind.
_MOST_LEVELS = 50
_GROUPS = {"speaker": "speaker", "base_utt": "sentence", "source_text": "text"}
_NO_CONDITIONS = ("sha256", *_GROUPS)
_TYPE, _RATE = "type of file", "sample rate"

Row = tuple[str, str, str, str, float | None, str, str]

# Split, name of the attack, bona fide clips, spoofs, and the attacks of these.
Comparison = tuple[str, str, pl.DataFrame, pl.DataFrame, set[str]]


@dataclass(frozen=True)
class Audit:
    """The findings about one corpus.

    `rows` has the columns of `AUDIT_COLUMNS`: check (counts, classes, few_trials,
    attack_in_one_split, audio, balance, duplicates, leakage, cue), split, attack ("all" or a name,
    "-" where it does not apply), item (label, utterance, condition or cue), value, status and a
    note in words. Status `fail` means that results on this corpus are not valid as they are,
    `warn` that they need a word in the paper, `planted` that a cue separates the classes because an
    attack of the corpus shows it on purpose.

    `measures` has one row per decoded utterance: utt_id, the CRC-32 of the samples in its middle,
    every cue.

    `cues` has the columns of `CUE_COLUMNS`, a row per split, attack ("all" for all spoofs) and cue:
    AUC with its interval, medians, numbers of clips and of speakers (0 where not all are known).

    `levels` has the columns of `LEVEL_COLUMNS`, a row per split, condition and level:
    clips of each class, and all their speakers (null where not all are known).

    `pairs` has a row per utterance of an augmented copy, see `copies.pairs_of`; none of others.
    """

    rows: pl.DataFrame
    measures: pl.DataFrame
    cues: pl.DataFrame
    levels: pl.DataFrame
    pairs: pl.DataFrame

    def count(self, status: str) -> int:
        """How many rows have this status."""
        return int((self.rows["status"] == status).sum())


def measure_manifest(
    manifest: pl.DataFrame, workers: int | None = None, done: Done | None = None
) -> tuple[pl.DataFrame, list[Problem]]:
    """Decode every file: utt_id, CRC-32 of the samples in its middle, all cues; and what failed.

    A file fails when it cannot be decoded, or has another length than the manifest says.

    Args:
        manifest: as `tables.read_manifest` gives it.
        workers: processes; None takes one per core.
        done: what was found of utterances that are finished; the others are added.
    """

    # `measure_all` needs it: imported once, before processes branch off.
    import scipy.fftpack  # noqa: F401

    done = {} if done is None else done
    items = zip(manifest["utt_id"], manifest.select("path", "duration").iter_rows(), strict=True)
    new = in_processes(items, _inspect, done, workers or os.cpu_count() or 1)
    problems, measured = [], []
    for row in manifest.iter_rows(named=True):
        result = new[row["utt_id"]] if row["utt_id"] in new else done[row["utt_id"]]
        if isinstance(result, str):
            problems.append(Problem(row["utt_id"], row["path"], row["split"], row["label"], result))
        else:
            measured.append((row["utt_id"], *result))
    schema = {"utt_id": pl.String(), "crc32": pl.Int64(), **dict.fromkeys(CUES, pl.Float64())}
    return pl.DataFrame(measured, schema=schema, orient="row"), problems


def _inspect(items: Sequence[tuple[str, float]]) -> list[list[float] | str]:
    """CRC-32 and cues of files, given their paths and durations in seconds; or what is wrong.

    Some are decoded, then measured, then the next: either code runs faster when it goes on.
    Until then their samples are kept in memory that stays, because a decoder that gets new memory
    for every file is slower than one that gets the same again.
    """
    found: list[list[float] | str] = []
    room, used = _room(), 0
    clips: dict[int, tuple[audio.Samples, int]] = {}
    peaks: list[float | None] = []
    clipped: dict[int, float] = {}

    def measure_clips() -> None:
        for i, cues in zip(clips, measure_all(list(clips.values()), peaks), strict=True):
            if i in clipped:
                cues["clipping"] = clipped[i]
            found[i] = [_crc_of_middle(clips[i][0]), *cues.values()]
        clips.clear()
        peaks.clear()

    for path, duration in items:
        clip = _decoded(path, duration)
        if isinstance(clip, str):
            found.append(clip)
            continue
        samples, rate, peak, share = clip
        if used + samples.size > room.size:
            measure_clips()
            used = 0
        if samples.size <= room.size:
            kept = room[used : used + samples.size]
            kept[:] = samples
            used += samples.size
            samples = kept
        clips[len(found)] = samples, rate
        peaks.append(peak)
        if share is not None:
            clipped[len(found)] = share
        found.append([])
    measure_clips()
    return found


@functools.cache
def _room() -> audio.Samples:
    """Of this process."""
    return np.empty(_SAMPLES_AT_ONCE, dtype=np.float32)


def _decoded(
    path: str, duration: float
) -> tuple[audio.Samples, int, float | None, float | None] | str:
    """Samples and rate of a file, and either of two numbers; or what is wrong.

    The first is the peak of a file of one channel. The second is the share of samples at full scale
    in the worst of several channels, whose mean the samples are.
    """
    try:
        clip = audio.Clip(path)
        samples, sample_rate = clip.whole(), clip.rate
    except AudioError as error:
        return str(error)
    seconds = samples.size / sample_rate
    if abs(seconds - duration) > _LENGTH_TOLERANCE_SECONDS:
        return f"{path}: lasts {seconds:.3f} s, the manifest says {duration:.3f} s"
    if clip.channels > 1:
        return samples, sample_rate, None, clip.clipped_share
    return samples, sample_rate, clip.peak, None


def _crc_of_middle(samples: audio.Samples) -> int:
    start = max(0, (samples.size - _COMPARED_SAMPLES) // 2)
    return zlib.crc32(samples[start : start + _COMPARED_SAMPLES].data)


def audit(
    manifest: pl.DataFrame,
    problems: Sequence[Problem],
    published_counts: Mapping[tuple[str, str], int] | None,
    planted_cues: Mapping[str, Collection[str]] | None = None,
    workers: int | None = None,
    done: Done | None = None,
    published_levels: Mapping[tuple[str, str, str], int] | None = None,
    counted_by: str = "",
    originals: pl.DataFrame | None = None,
    classes: Collection[str] = LABELS,
) -> Audit:
    """Look for everything that makes results on a corpus misleading.

    A trivial cue is a warning when its AUC lies outside [0.4, 0.6] and as many clips would hardly
    have it by chance: their confidence interval excludes 0.5. It holds for all AUCs of the audit
    together (95 %, Bonferroni), so a small corpus with many attacks raises no false alarms. Whether
    other speakers would have it, too, is another question. Where all speakers of the clips are
    known, the interval that is given is over speakers, and a note says where it does not exclude
    0.5.

    Of an augmented copy, the chain has brought a cue in where the cue is a warning, and its AUC is
    farther from 0.5 than that of the originals by more than chance explains (paired, and again for
    all AUCs together). Where all speakers are known, a note says where speakers do not show that.

    Args:
        manifest: as `tables.read_manifest` gives it.
        problems: files that `build_manifest` left out.
        published_counts: number of utterances by (split, label), or None.
        planted_cues: by attack, the cues that it shows on purpose.
        workers: processes; None takes one per core.
        done: what was found of utterances that are finished, see :func:`measure_manifest`.
        published_levels: number of utterances by (split, column, level), or None.
        counted_by: who counted them, where that is not who gives the corpus out.
        originals: the manifest of the corpus, where `manifest` is of an augmented copy of it.
        classes: labels of the clips that went through the chain of the copy; what tells them from
            others is planted.
    """
    measures, undecodable = measure_manifest(manifest, workers, done)
    joined = manifest.drop("sample_rate", "duration", strict=False).join(
        measures, on="utt_id", how="inner", maintain_order="left"
    )
    cues = _cues(joined, planted_cues or {})
    pairs, of_copies = joined.clear(), []
    one_sided = set(classes) != set(LABELS)
    if originals is not None:
        before, _ = measure_manifest(copies.originals_of(manifest, originals), workers, done)
        pairs = copies.pairs_of(joined, before)
        cues, brought = _brought_in(cues, pairs, one_sided)
        of_copies = list(copies.findings(pairs, manifest, brought))
        manifest = copies.with_steps(manifest)
    levels = _levels(manifest)
    rows = [
        *_counts(counts(manifest, problems, published_counts, published_levels, counted_by)),
        *_classes(manifest),
        # A copy may be of some splits alone, which says nothing about the others.
        *(_uneven(manifest) if originals is None else ()),
        *_problems(problems, undecodable),
        *_balance(levels, chain_planted=one_sided),
        *_duplicates(joined),
        *_leakage(manifest),
        *of_copies,
        *_separations(cues),
    ]
    table = pl.DataFrame(rows, schema=AUDIT_COLUMNS, orient="row")
    return Audit(table, measures, cues, levels, pairs)


def _splits(frame: pl.DataFrame) -> list[str]:
    present = set(frame["split"])
    return [split for split in SPLITS if split in present]


def _counts(found: Iterable[Count]) -> Iterator[Row]:
    for count in found:
        yield (
            *("counts", count.split, "-", count.item, float(count.n)),
            *(count.status, count.note),
        )


def _classes(manifest: pl.DataFrame) -> Iterator[Row]:
    for split in _splits(manifest):
        present = manifest.filter(pl.col("split") == split)["label"].unique().to_list()
        if len(present) == 1:
            note = f"only {present[0]} utterances: no error rate can be computed on this split"
            yield "classes", split, "-", "labels", 1.0, "warn", note
        else:
            yield "classes", split, "-", "labels", 2.0, "ok", "both classes are there"


def _uneven(manifest: pl.DataFrame) -> Iterator[Row]:
    for each in uneven(manifest):
        attack = each.item if each.check == "attack_in_one_split" else "-"
        item = "attacks" if each.check == "attack_in_one_split" else each.item
        yield each.check, each.split, attack, item, float(each.n), "warn", each.note


def _problems(excluded: Sequence[Problem], undecodable: Sequence[Problem]) -> Iterator[Row]:
    for problem in excluded:
        note = f"left out: {problem.reason}"
        yield "audio", problem.split, "-", problem.utt_id, None, "warn", _one_line(note)
    for problem in undecodable:
        note = f"in the manifest, but unusable: {problem.reason}"
        yield "audio", problem.split, "-", problem.utt_id, None, "fail", _one_line(note)
    # Files that are no audio have no label.
    if not undecodable and all(problem.label == "-" for problem in excluded):
        yield "audio", ALL, "-", "files", 0.0, "ok", "every file can be decoded"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _duplicates(joined: pl.DataFrame) -> Iterator[Row]:
    # All of these are exact, on whatever machine they were measured.
    exact = ("crc32", "duration", "sample_rate", "zeros")
    alike = joined.filter(pl.struct(exact).is_duplicated())
    groups = (
        alike.with_columns(samples=pl.Series(map(_sha256, alike["path"]), dtype=pl.String))
        .group_by("samples", maintain_order=True)
        .agg("utt_id", "split", "label")
        .filter(pl.col("utt_id").list.len() > 1)
    )
    for ids, splits, labels in groups.select("utt_id", "split", "label").iter_rows():
        names = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
        if len(set(labels)) > 1:
            status, what = "fail", "the same audio is bona fide and spoof"
        elif len(set(splits)) > 1:
            status, what = "fail", f"the same audio is in {' and '.join(sorted(set(splits)))}"
        else:
            status, what = "warn", "the same audio"
        split = splits[0] if len(set(splits)) == 1 else ALL
        yield "duplicates", split, "-", ids[0], float(len(ids)), status, f"{what}: {names}"
    if groups.is_empty():
        yield "duplicates", ALL, "-", "files", 0.0, "ok", "no two files have the same samples"


def _sha256(path: str) -> str:
    """Of the samples of a file and their rate. The manifest's hash is of the file."""
    samples, sample_rate = audio.read(path)
    return hashlib.sha256(f"{sample_rate}\0".encode() + samples.tobytes()).hexdigest()


def _leakage(manifest: pl.DataFrame) -> Iterator[Row]:
    for column, what in _GROUPS.items():
        if column not in manifest.columns:
            continue
        with_value = manifest.filter(pl.col(column) != "-")
        if with_value.is_empty():
            yield "leakage", ALL, "-", what, None, "ok", f"no {what} is known: not checked"
            continue
        for pair, shared in shared_values(with_value, column):
            note = f"in both: {', '.join(shared[:5])}{', ...' if len(shared) > 5 else ''}"
            yield (
                *("leakage", pair, "-", what, float(len(shared))),
                *(("warn", note) if shared else ("ok", f"no shared {what}")),
            )


def shared_values(manifest: pl.DataFrame, column: str) -> Iterator[tuple[str, list[str]]]:
    """The values of a column that two splits share, of every two; "-" is no value.

    Yields:
        Both splits, as `train+dev`, and the values, sorted.
    """
    splits = _splits(manifest)
    told = manifest.filter(pl.col(column) != "-")
    members = {split: set(told.filter(pl.col("split") == split)[column]) for split in splits}
    for first, second in itertools.combinations(splits, 2):
        yield f"{first}+{second}", sorted(members[first] & members[second])


def _levels(manifest: pl.DataFrame) -> pl.DataFrame:
    """Clips of each class by the levels of all conditions, see `LEVEL_COLUMNS`.

    Among the conditions are the type of the files and their sample rate. A condition counts where
    bona fide clips have it, too: a vocoder is no condition of the recording.
    """
    derived = manifest.with_columns(
        pl.col("path")
        .str.extract(r"\.([^./]+)$")
        .str.to_lowercase()
        .fill_null(NONE)
        # Once they are decoded, nothing tells these apart.
        .replace(dict.fromkeys(("wav", "flac"), "wav or flac"))
        .alias(_TYPE),
        pl.format("{} Hz", pl.col("sample_rate")).alias(_RATE),
    )
    given = [c for c in manifest.columns if c not in MANIFEST_COLUMNS and c not in _NO_CONDITIONS]
    found: list[tuple[str, str, str, int, int, int | None]] = []
    for split in _splits(manifest):
        of_split = derived.filter(pl.col("split") == split)
        if of_split["label"].n_unique() == 1:
            continue
        for condition in (*given, _TYPE, _RATE):
            told = of_split.filter(pl.col(condition) != NONE)
            counts = told.group_by(condition).agg(
                (pl.col("label") == "bonafide").sum().alias("n_bonafide"),
                (pl.col("label") == "spoof").sum().alias("n_spoof"),
                pl.when((pl.col("speaker") != NONE).all())
                .then(pl.col("speaker").n_unique().cast(pl.Int64))
                .alias("n_speakers"),
            )
            if counts["n_bonafide"].sum() == 0 or counts.height > _MOST_LEVELS:
                continue
            found += [(split, condition, *row) for row in counts.sort(condition).iter_rows()]
    return pl.DataFrame(found, schema=LEVEL_COLUMNS, orient="row")


def _balance(levels: pl.DataFrame, chain_planted: bool = False) -> Iterator[Row]:
    """A warning where a level has one class only, and chance is no explanation.

    The chance is that of drawing the level's clips from those of all levels (hypergeometric),
    5 % for both classes and all levels of a split together. Clips of one speaker are often recorded
    alike. So the note says how many speakers a level has, and whether as many clips could be of one
    class by chance. The warning stays: the level tells the class in this corpus.

    Args:
        levels: see `LEVEL_COLUMNS`.
        chain_planted: whether a chain tells the class on purpose.
    """
    for (split,), of_split in levels.group_by("split", maintain_order=True):
        least = math.log(0.05 / (2 * of_split.height))
        for (condition,), rows in of_split.group_by("condition", maintain_order=True):
            totals = int(rows["n_bonafide"].sum()), int(rows["n_spoof"].sum())
            one_sided = []
            for level, n_bonafide, n_spoof, speakers in rows.select(
                list(LEVEL_COLUMNS)[2:]
            ).iter_rows():
                if n_bonafide and n_spoof:
                    continue
                own, name = (totals[0], "bona fide") if n_bonafide else (totals[1], "spoof")
                n = n_bonafide + n_spoof
                if _log_ways(own, n) - _log_ways(sum(totals), n) < least:
                    of = "" if speakers is None else f", {_counted(speakers, 'speaker')}"
                    if speakers is not None and speakers * math.log(own / sum(totals)) >= least:
                        of += ": perhaps theirs alone"
                    one_sided.append(f"{level} ({n} {name}{of})")
            if one_sided:
                names = ", ".join(one_sided[:5]) + (", ..." if len(one_sided) > 5 else "")
                note = (
                    f"the {condition} alone tells the class of some clips; levels with clips of "
                    f"one class only: {names}"
                )
            elif rows.height == 1:
                note = f"one {condition} in all clips that have any: {rows['level'][0]}"
            else:
                note = f"no {condition} of {rows.height} has one class only, beyond chance"
            found = "planted" if chain_planted and copies.is_step(str(condition)) else "warn"
            status = found if one_sided else "ok"
            yield "balance", str(split), "-", str(condition), float(len(one_sided)), status, note


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _log_ways(n: int, k: int) -> float:
    """Logarithm of the number of ways to choose k of n >= k."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _comparisons(joined: pl.DataFrame) -> list[Comparison]:
    """What is compared in each split: bona fide clips with all spoofs, and with each attack."""
    comparisons: list[Comparison] = []
    for split in _splits(joined):
        of_split = joined.filter(pl.col("split") == split).with_columns(
            # A number for each speaker, fast to count with.
            _speaker=pl.when(pl.col("speaker") != NONE).then(pl.col("speaker").rank("dense") - 1)
        )
        bonafide = of_split.filter(pl.col("label") == "bonafide")
        spoof = of_split.filter(pl.col("label") == "spoof")
        if bonafide.is_empty() or spoof.is_empty():
            continue
        attacks = spoof["attack"].unique().sort().to_list()
        comparisons.append((split, ALL, bonafide, spoof, set(attacks)))
        comparisons += [
            (split, attack, bonafide, spoof.filter(pl.col("attack") == attack), {attack})
            for attack in attacks
        ]
    return comparisons


def _tail(comparisons: Sequence[Comparison]) -> float:
    """Beyond either end of an interval, where all of the audit hold together."""
    return 0.05 / (2 * len(comparisons) * len(CUES))


def _cues(joined: pl.DataFrame, planted: Mapping[str, Collection[str]]) -> pl.DataFrame:
    """How far each cue separates the classes, see `CUE_COLUMNS`."""
    comparisons = _comparisons(joined)
    found = []
    for split, attack, bonafide, spoof, attacks_here in comparisons:
        tail = _tail(comparisons)
        z = NormalDist().inv_cdf(1 - tail)
        speakers = [_speakers(bonafide), _speakers(spoof)]
        n_speakers = [0 if each is None else np.unique(each).size for each in speakers]
        for cue in CUES:
            values = bonafide[cue].to_numpy(), spoof[cue].to_numpy()
            value = auc(*values)
            low, high = auc_interval(value, bonafide.height, spoof.height, z)
            separates = not HARMLESS[0] <= value <= HARMLESS[1] and not low <= 0.5 <= high
            if speakers[0] is not None and speakers[1] is not None and min(n_speakers) > 1:
                evidence = evidence_of_speakers(*values, speakers[0], speakers[1])
                t = _student(1 - tail, evidence.degrees)
                low, high = auc_interval(value, evidence.n_bonafide, evidence.n_spoof, t)
            on_purpose = any(cue in planted.get(name, ()) for name in attacks_here)
            status = ("planted" if on_purpose else "warn") if separates else "ok"
            medians = [float(np.median(each[cue].to_numpy())) for each in (bonafide, spoof)]
            sizes = bonafide.height, spoof.height
            found.append(
                (split, attack, cue, value, low, high, *medians, *sizes, *n_speakers, status)
            )
    return pl.DataFrame(found, schema=CUE_COLUMNS, orient="row")


def _brought_in(
    cues: pl.DataFrame, pairs: pl.DataFrame, on_purpose: bool
) -> tuple[pl.DataFrame, dict[tuple[str, str], tuple[str, str]]]:
    """The cues of copies, and by split and cue what is to be said of one that their chain made.

    Args:
        cues: of the copies, see `CUE_COLUMNS`.
        pairs: see `copies.pairs_of`.
        on_purpose: whether the chain was given clips of one class alone: its cues are planted.
    """
    comparisons = _comparisons(pairs)
    found: dict[tuple[str, str], list[tuple[float, float, str, str]]] = {}
    statuses = {row[:3]: row[-1] for row in cues.iter_rows()}
    ends = {row[:3]: row[4:6] for row in cues.iter_rows()}
    for split, attack, bonafide, spoof, _ in comparisons:
        tail = _tail(comparisons)
        z = NormalDist().inv_cdf(1 - tail)
        speakers = _speakers(bonafide), _speakers(spoof)
        n_speakers = [0 if each is None else np.unique(each).size for each in speakers]
        for cue in CUES:
            if statuses[split, attack, cue] == "ok" or min(bonafide.height, spoof.height) < 2:
                continue
            values = [
                (clips[copies.of_original(cue)].to_numpy(), clips[cue].to_numpy())
                for clips in (bonafide, spoof)
            ]
            growth, error = auc_growth(values[0], values[1])
            if growth <= z * error:
                continue
            of_whom = ""
            if speakers[0] is not None and speakers[1] is not None and min(n_speakers) > 1:
                growth, error = auc_growth(values[0], values[1], (speakers[0], speakers[1]))
                low, high = ends[split, attack, cue]
                t = _student(1 - tail, min(n_speakers) - 1)
                # Where few speakers are alike the error is 0, and the interval is the judge.
                if growth <= t * error or low <= 0.5 <= high:
                    of_whom = f"{n_speakers[0]} and {n_speakers[1]} speakers"
            elif min(n_speakers) == 1:
                of_whom = "one speaker"
            before, after = (auc(values[0][i], values[1][i]) for i in (0, 1))
            found.setdefault((split, cue), []).append((before, after, attack, of_whom))
            if on_purpose:
                statuses[split, attack, cue] = "planted"
    brought = {}
    for (split, cue), changed in found.items():
        before, after, attack, of_whom = max(
            changed, key=lambda each: (not each[3], abs(each[1] - 0.5))
        )
        of_cue = [statuses[split, each, cue] for _, _, each, _ in changed]
        words = (
            f"; in the copies it separates {copies.spoofs(attack)} from bona fide speech with an "
            f"AUC of {after:.2f}, in the originals {before:.2f}: "
            + (f"with {of_whom} it may be theirs alone" if of_whom else "the chain brought that in")
        )
        brought[split, cue] = ("warn" if "warn" in of_cue else "planted", words)
    status = pl.Series("status", [statuses[row[:3]] for row in cues.iter_rows()], dtype=pl.String)
    return cues.with_columns(status), brought


def _speakers(clips: pl.DataFrame) -> npt.NDArray[np.int64] | None:
    """The number of the speaker of each clip; None where not all are known."""
    numbers = clips["_speaker"]
    return None if numbers.null_count() else numbers.cast(pl.Int64).to_numpy()


def _student(share: float, degrees: int) -> float:
    """Quantile of Student's distribution."""
    # Seconds to import, and few need it.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, share))


def _separations(cues: pl.DataFrame) -> Iterator[Row]:
    for row in cues.iter_rows(named=True):
        note = (
            f"interval {row['low']:.2f} to {row['high']:.2f}; median "
            f"{in_words(row['cue'], row['median_bonafide'])} of {row['n_bonafide']} bona fide "
            f"clips, {in_words(row['cue'], row['median_spoof'])} of {row['n_spoof']} spoofs"
        )
        numbers = row["speakers_bonafide"], row["speakers_spoof"]
        if row["status"] != "ok" and min(numbers) == 1:
            note += "; one speaker, so it may be that speaker's alone"
        elif row["status"] != "ok" and row["low"] <= 0.5 <= row["high"]:
            note += f"; with {numbers[0]} and {numbers[1]} speakers it may be theirs alone"
        yield "cue", row["split"], row["attack"], row["cue"], row["auc"], row["status"], note
