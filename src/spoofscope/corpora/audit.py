"""What a corpus would teach a detector besides deepfakes: counts, duplicates, leaks, trivial cues.

Every file of the manifest is decoded once; only files that seem to be the same are read again, to
compare their samples.
"""

import hashlib
import html
import itertools
import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import polars as pl

from spoofscope import audio
from spoofscope.corpora.base import Problem
from spoofscope.corpora.cues import CUES, auc, auc_interval, in_words, measure
from spoofscope.corpora.splitting import uneven
from spoofscope.errors import AudioError
from spoofscope.files import write_text
from spoofscope.names import ALL
from spoofscope.shards.journal import Done, in_processes
from spoofscope.tables import LABELS, SPLITS, write_table

AUDIT_COLUMNS: dict[str, pl.DataType] = {
    "check": pl.String(),
    "split": pl.String(),
    "attack": pl.String(),
    "item": pl.String(),
    "value": pl.Float64(),
    "status": pl.String(),
    "note": pl.String(),
}
STATUSES = ("ok", "planted", "warn", "fail")

_HARMLESS = (0.4, 0.6)
# Headers of compressed formats may count the encoder's padding.
_LENGTH_TOLERANCE_SECONDS = 0.1
_GROUPS = {"speaker": "speaker", "base_utt": "sentence", "source_text": "text"}

Row = tuple[str, str, str, str, float | None, str, str]


@dataclass(frozen=True)
class Audit:
    """The findings about one corpus.

    `rows` has the columns of `AUDIT_COLUMNS`: check (counts, classes, few_trials,
    attack_in_one_split, audio, duplicates, leakage, cue), split, attack ("all" or a name, "-" where
    it does not apply), item (label, utterance or cue), value, status and a note in words. Status
    `fail` means that results on this corpus are
    not valid as they are, `warn` that they need a word in the paper, `planted` that a cue separates
    the classes because an attack of the corpus shows it on purpose.

    `measures` has one row per decoded utterance: utt_id, the CRC-32 of its samples, every cue.
    """

    rows: pl.DataFrame
    measures: pl.DataFrame

    def count(self, status: str) -> int:
        """How many rows have this status."""
        return int((self.rows["status"] == status).sum())


def measure_manifest(
    manifest: pl.DataFrame, workers: int | None = None, done: Done | None = None
) -> tuple[pl.DataFrame, list[Problem]]:
    """Decode every file: utt_id, CRC-32 of its samples, all cues; and what failed.

    A file fails when it cannot be decoded, or has another length than the manifest says.

    Args:
        manifest: as `tables.read_manifest` gives it.
        workers: processes; None takes one per core.
        done: what was found of utterances that are finished; the others are added.
    """

    done = {} if done is None else done
    items = zip(manifest["utt_id"], manifest.select("path", "duration").iter_rows(), strict=True)
    in_processes(items, _inspect, done, workers or os.cpu_count() or 1)
    problems, measured = [], []
    for row in manifest.iter_rows(named=True):
        result = done[row["utt_id"]]
        if isinstance(result, str):
            problems.append(Problem(row["utt_id"], row["path"], row["split"], row["label"], result))
        else:
            measured.append({"utt_id": row["utt_id"], **result})
    schema = {"utt_id": pl.String(), "crc32": pl.Int64(), **dict.fromkeys(CUES, pl.Float64())}
    return pl.DataFrame(measured, schema=schema), problems


def _inspect(item: tuple[str, float]) -> dict[str, float] | str:
    """What is measured of a file, given its path and its duration in seconds; or what is wrong."""
    path, duration = item
    try:
        samples, sample_rate = audio.read(path)
    except AudioError as error:
        return str(error)
    seconds = samples.size / sample_rate
    if abs(seconds - duration) > _LENGTH_TOLERANCE_SECONDS:
        return f"{path}: lasts {seconds:.3f} s, the manifest says {duration:.3f} s"
    return {"crc32": zlib.crc32(samples.data), **measure(samples, sample_rate)}


def audit(
    manifest: pl.DataFrame,
    problems: Sequence[Problem],
    published_counts: Mapping[tuple[str, str], int] | None,
    planted_cues: Mapping[str, Collection[str]] | None = None,
    workers: int | None = None,
    done: Done | None = None,
) -> Audit:
    """Look for everything that makes results on a corpus misleading.

    A trivial cue is a warning when its AUC lies outside [0.4, 0.6] and its confidence interval
    excludes 0.5. The interval holds for all AUCs of the audit together (95 %, Bonferroni), so a
    small corpus with many attacks raises no false alarms.

    Args:
        manifest: as `tables.read_manifest` gives it.
        problems: files that `build_manifest` left out.
        published_counts: number of utterances by (split, label), or None.
        planted_cues: by attack, the cues that it shows on purpose.
        workers: processes; None takes one per core.
        done: what was found of utterances that are finished, see :func:`measure_manifest`.
    """
    measures, undecodable = measure_manifest(manifest, workers, done)
    joined = manifest.drop("sample_rate", "duration", strict=False).join(
        measures, on="utt_id", how="inner", maintain_order="left"
    )
    rows = [
        *_counts(manifest, problems, published_counts),
        *_classes(manifest),
        *_uneven(manifest),
        *_problems(problems, undecodable),
        *_duplicates(joined),
        *_leakage(manifest),
        *_cues(joined, planted_cues or {}),
    ]
    return Audit(pl.DataFrame(rows, schema=AUDIT_COLUMNS, orient="row"), measures)


def _splits(frame: pl.DataFrame) -> list[str]:
    present = set(frame["split"])
    return [split for split in SPLITS if split in present]


def _counts(
    manifest: pl.DataFrame,
    problems: Sequence[Problem],
    published: Mapping[tuple[str, str], int] | None,
) -> Iterator[Row]:
    for split in _splits(manifest):
        for label in LABELS:
            n = manifest.filter((pl.col("split") == split) & (pl.col("label") == label)).height
            dropped = sum(p.split == split and p.label == label for p in problems)
            expected = (published or {}).get((split, label))
            if expected is None:
                status, note = "ok", "no published count"
            elif n == expected:
                status, note = "ok", f"as published: {expected}"
            elif n + dropped == expected:
                status, note = "warn", f"published {expected}; {dropped} left out"
            else:
                status, note = "fail", f"published {expected}, {n + dropped - expected:+d} here"
            yield "counts", split, "-", label, float(n), status, note


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
    alike = joined.filter(pl.struct("crc32", "duration", "sample_rate").is_duplicated())
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


def _cues(joined: pl.DataFrame, planted: Mapping[str, Collection[str]]) -> Iterator[Row]:
    comparisons: list[tuple[str, str, pl.DataFrame, pl.DataFrame, set[str]]] = []
    for split in _splits(joined):
        of_split = joined.filter(pl.col("split") == split)
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
    if not comparisons:
        return
    z = NormalDist().inv_cdf(1 - 0.05 / (2 * len(comparisons) * len(CUES)))
    for split, attack, bonafide, spoof, attacks_here in comparisons:
        for cue in CUES:
            value = auc(bonafide[cue].to_numpy(), spoof[cue].to_numpy())
            low, high = auc_interval(value, bonafide.height, spoof.height, z)
            separates = not _HARMLESS[0] <= value <= _HARMLESS[1] and not low <= 0.5 <= high
            on_purpose = any(cue in planted.get(name, ()) for name in attacks_here)
            status = ("planted" if on_purpose else "warn") if separates else "ok"
            note = (
                f"interval {low:.2f} to {high:.2f}; median "
                f"{in_words(cue, float(np.median(bonafide[cue].to_numpy())))} of {bonafide.height} "
                f"bona fide clips, {in_words(cue, float(np.median(spoof[cue].to_numpy())))} of "
                f"{spoof.height} spoofs"
            )
            yield "cue", split, attack, cue, value, status, note


def write_findings(
    rows: pl.DataFrame,
    headings: Mapping[str, str],
    tsv_path: str | Path,
    html_path: str | Path,
    title: str,
) -> None:
    """Write findings as a long table and as a self-contained page.

    Args:
        rows: columns of `AUDIT_COLUMNS`.
        headings: of every check, in their order.
        tsv_path: for the table.
        html_path: no scripts, no external files.
        title: of the page.
    """
    write_table(tsv_path, rows)
    write_text(html_path, "\n".join(_head(rows, headings, title)) + "</html>\n")


def write_audit(result: Audit, tsv_path: str | Path, html_path: str | Path, title: str) -> None:
    """Write the findings as a long table and as a self-contained page.

    Args:
        result: from :func:`audit`.
        tsv_path: columns of `AUDIT_COLUMNS`.
        html_path: no scripts, no external files.
        title: the corpus' name, for the page.
    """
    write_table(tsv_path, result.rows)
    write_text(html_path, _page(result, title))


_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#222}
.table{overflow-x:auto;margin:.6rem 0 1.6rem}table{border-collapse:collapse}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.ok{background:#fff}.planted{background:#dbe9f6}.warn{background:#fde9b8}.fail{background:#f6c5bd}
.key span{display:inline-block;padding:.1rem .5rem;margin-right:.5rem;border:1px solid #ccc}
"""

_CHECKS = {
    "counts": "Utterances per split and class",
    "classes": "Classes per split",
    "few_trials": "Few trials to choose thresholds on",
    "attack_in_one_split": "Attacks in one split only",
    "no_bonafide": "No bona fide speech",
    "audio": "What is left out, or cannot be used",
    "duplicates": "Identical audio",
    "leakage": "Speakers, sentences and texts in more than one split",
}


def _head(rows: pl.DataFrame, headings: Mapping[str, str], title: str, also: str = "") -> list[str]:
    """A page but for its end: how many findings there are, and those of every check."""
    name = html.escape(title)
    n = {status: (rows["status"] == status).sum() for status in STATUSES}
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{name}</title>",
        f"<style>{_STYLE}</style><h1>{name}</h1>",
        f"<p>{n['fail']} failures, {n['warn']} warnings{also}.",
        "<p class=key><span class=ok>ok</span><span class=planted>planted</span>"
        "<span class=warn>warning</span><span class=fail>failure</span>",
    ]
    for check, heading in headings.items():
        found = rows.filter(pl.col("check") == check)
        if found.height:
            parts.append(f"<h2>{heading}</h2>{_findings(found)}")
    return parts


def _page(result: Audit, title: str) -> str:
    planted = f", {result.count('planted')} cues planted on purpose"
    parts = _head(result.rows, _CHECKS, f"Audit of {title}", planted)
    cues = result.rows.filter(pl.col("check") == "cue")
    parts.append("<h2>Trivial cues</h2>")
    if cues.is_empty():
        parts.append("<p>No split has both classes.")
    else:
        parts.append(
            "<p>AUC of one number per clip against the label: 0.5 carries no information, 1 means "
            "that every bona fide clip has a larger value than every spoof, 0 the reverse. A cell "
            "is coloured when the AUC is outside 0.4 to 0.6 and its interval, which holds for all "
            "cells together, excludes 0.5. Point at a cell for interval, medians and counts."
        )
    for split in _splits(cues):
        parts.append(f"<h3>{split}</h3>{_cue_table(cues.filter(pl.col('split') == split))}")
    return "\n".join(parts) + "</html>\n"


def _findings(rows: pl.DataFrame) -> str:
    lines = ["<div class=table><table><tr><th>split<th>item<th>value<th>note"]
    for row in rows.iter_rows(named=True):
        value = "" if row["value"] is None else f"{row['value']:g}"
        lines.append(
            f"<tr class={row['status']}><td>{html.escape(row['split'])}"
            f"<td>{html.escape(row['item'])}<td class=n>{value}<td>{html.escape(row['note'])}"
        )
    return "\n".join(lines) + "</table></div>"


def _cue_table(rows: pl.DataFrame) -> str:
    attacks = list(dict.fromkeys(rows["attack"]))
    lines = [
        "<div class=table><table><tr><th>cue" + "".join(f"<th>{html.escape(s)}" for s in attacks)
    ]
    cells = {(row["item"], row["attack"]): row for row in rows.iter_rows(named=True)}
    for cue in CUES:
        line = f"<tr><td>{cue}"
        for attack in attacks:
            cell = cells[cue, attack]
            line += (
                f'<td class="n {cell["status"]}" title="{html.escape(cell["note"])}">'
                f"{cell['value']:.3f}"
            )
        lines.append(line)
    return "\n".join(lines) + "</table></div>"
