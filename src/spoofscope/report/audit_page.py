"""Pages of audits: one self-contained file each, with plots, findings in sentences and clips."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl
from markupsafe import Markup, escape

from spoofscope.corpora import copies
from spoofscope.corpora.audit import HARMLESS, STATUSES, Audit
from spoofscope.corpora.cues import CUES, WORDS, in_words
from spoofscope.files import write_text
from spoofscope.names import ALL
from spoofscope.report.audio_player import Clip, audio_players
from spoofscope.report.audits import NEEDS_ATTENTION, attention, sentences
from spoofscope.tables import LABELS, SPLITS, write_table

_STYLE = """
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:76rem;padding:1rem;color:#222}
p,li{max-width:46rem;overflow-wrap:anywhere}
.table{overflow-x:auto;margin:.6rem 0 1.6rem}table{border-collapse:collapse;font-size:.9em}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.ok{background:#fff}.planted{background:#dbe9f6}.warn{background:#fde9b8}.fail{background:#f6c5bd}
.key span{display:inline-block;padding:.1rem .5rem;margin-right:.5rem;border:1px solid #ccc}
.first{border-left:4px solid #3b7d4f;background:#f1f8f3;padding:.4rem 1rem;margin:1rem 0}
.first.warn{border-color:#d58a00;background:#fff8ea}
.first.fail{border-color:#b3331f;background:#fdf0ee}
.first h2{margin:.3rem 0}
svg{max-width:100%;height:auto;display:block}svg text{font:12px system-ui,sans-serif;fill:#222}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:.4rem 1.4rem}
.wide{grid-template-columns:repeat(auto-fill,minmax(min(26rem,100%),1fr))}
td.bar{white-space:nowrap}td.bar svg{display:inline-block;vertical-align:middle;margin-right:.5rem}
.panels figure{margin:0}figcaption{font-size:.9em}
ul.players{list-style:none;padding:0}ul.players span{flex:1 1 18rem}
ul.players li{display:flex;flex-wrap:wrap;gap:.3rem .9rem;align-items:center;margin:.5rem 0}
audio{max-width:100%}
@media(max-width:34rem){.wide svg text{font-size:13px}td.bar svg{width:5rem}
th,td{padding:.25rem .4rem}}
"""

_CHECKS = {
    "counts": "Utterances per split and class",
    "classes": "Classes per split",
    "few_trials": "Few trials to choose thresholds on",
    "attack_in_one_split": "Attacks in one split only",
    "no_bonafide": "No bona fide speech",
    "audio": "What is left out, or cannot be used",
    "balance": "Conditions that tell the class",
    "duplicates": "Identical audio",
    "leakage": "Speakers, sentences and texts in more than one split",
    copies.CHECK: "Copies and their originals",
}

_CLASSES = {"bonafide": "bona fide", "spoof": "spoof"}
_COLOURS = {"bonafide": "#0b6e4f", "spoof": "#b3331f"}
_MARKS = {"ok": "#5b6875", "planted": "#2b6cb0", "warn": "#c77700"}

MOST_LEVELS_SHOWN = 20
"""Levels of a condition in the page, the most frequent first."""

# Tables of more levels are closed at first.
_FEW_LEVELS = 6


def write_findings(
    rows: pl.DataFrame,
    headings: Mapping[str, str],
    tsv_path: str | Path,
    html_path: str | Path,
    title: str,
) -> None:
    """Write findings as a long table and as a self-contained page.

    Args:
        rows: columns of `corpora.audit.AUDIT_COLUMNS`.
        headings: of every check, in their order.
        tsv_path: for the table.
        html_path: no scripts, no external files.
        title: of the page.
    """
    write_table(tsv_path, rows)
    write_text(html_path, _joined([*_head(rows, title), *_tables(rows, headings)]))


def write_audit(
    result: Audit,
    manifest: pl.DataFrame,
    tsv_path: str | Path,
    html_path: str | Path,
    title: str,
    originals: pl.DataFrame | None = None,
) -> None:
    """Write the findings as a long table and as a self-contained page.

    Args:
        result: from `corpora.audit.audit`.
        manifest: of which it is.
        tsv_path: columns of `corpora.audit.AUDIT_COLUMNS`.
        html_path: with plots and clips; no scripts, no external files.
        title: the corpus' name, for the page.
        originals: the manifest of the corpus, where it is an audit of an augmented copy.

    Raises:
        AudioError: a clip that the page plays is not there any more.
    """
    of_copies = [] if originals is None else ["source_utt"]
    measures = result.measures.join(
        manifest.select("utt_id", "path", "split", "label", "attack", *of_copies), on="utt_id"
    )
    n_planted = result.rows.filter(check="cue", status="planted").height
    planted = f", {_counted(n_planted, 'cue')} planted on purpose"
    parts = [
        *_head(result.rows, f"Audit of {title}", planted),
        *_first(result.rows),
        *_separation(result.cues),
        *_distributions(measures),
        *_changes(result.pairs),
        *_to_hear(result, measures, originals),
        *_conditions(result.levels),
        *_tables(result.rows, _CHECKS),
        *_cue_tables(result.cues, result.rows),
    ]
    write_table(tsv_path, result.rows)
    write_text(html_path, _joined(parts))


def _joined(parts: list[Markup]) -> str:
    return str(Markup("\n").join([*parts, Markup("</html>\n")]))


def _head(rows: pl.DataFrame, title: str, also: str = "") -> list[Markup]:
    """A page's start, with the number of findings."""
    n = {status: int((rows["status"] == status).sum()) for status in STATUSES}
    return [
        Markup(
            "<!doctype html><html lang=en><meta charset=utf-8>"
            "<meta name=viewport content='width=device-width, initial-scale=1'><title>{}</title>"
        ).format(title),
        Markup(f"<style>{_STYLE}</style>"),
        Markup("<h1>{}</h1><p>{}, {}{}.").format(
            title, _counted(n["fail"], "failure"), _counted(n["warn"], "warning"), also
        ),
        Markup(
            "<p class=key><span class=ok>ok</span><span class=planted>planted</span>"
            "<span class=warn>warning</span><span class=fail>failure</span>"
        ),
    ]


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _first(rows: pl.DataFrame) -> Iterator[Markup]:
    """What needs attention, in sentences, failures before warnings."""
    if attention(rows).is_empty():
        yield Markup("<div class=first><h2>Findings</h2><p>No check warns of anything.</div>")
        return
    worst = "fail" if (rows["status"] == "fail").any() else "warn"
    yield Markup("<div class='first {}'><h2>Findings</h2><ul>").format(worst)
    for status in reversed(NEEDS_ATTENTION):
        for sentence in sentences(rows.filter(pl.col("status") == status)):
            yield Markup("<li>{}").format(sentence)
    yield Markup("</ul></div>")


def _splits(frame: pl.DataFrame) -> list[str]:
    return [split for split in SPLITS if split in set(frame["split"])]


# --- plots ---------------------------------------------------------------------------------------


def _separation(cues: pl.DataFrame) -> Iterator[Markup]:
    yield Markup("<h2>How far one number separates the classes</h2>")
    if cues.is_empty():
        yield Markup("<p>No split has both classes.")
        return
    yield Markup(
        "<p>Area under the ROC curve (AUC) of one number per clip, of all spoofs against bona fide "
        "speech: 0.5 carries no information, 1 means that every bona fide clip has a larger value "
        "than every spoof, 0 the reverse. Lines are intervals, over speakers where all are known; "
        "they hold for all AUCs of this audit together. The grey band (0.4 to 0.6) raises no alarm."
    )
    yield Markup("<div class='panels wide'>")
    for split in _splits(cues):
        rows = cues.filter((pl.col("split") == split) & (pl.col("attack") == ALL))
        sizes = rows.row(0, named=True)
        yield Markup("<figure>{}<figcaption>{}: {} bona fide clips, {} spoofs</figure>").format(
            _forest(rows), split, sizes["n_bonafide"], sizes["n_spoof"]
        )
    yield Markup("</div>")


def _forest(rows: pl.DataFrame) -> Markup:
    left, width, step = 190, 320, 22
    height = step * rows.height

    def x(value: float) -> str:
        return f"{left + width * value:.1f}"

    parts = [
        f"<svg viewBox='0 0 {left + width + 20} {height + 34}' role=img>",
        f"<rect x={x(HARMLESS[0])} y=0 width={width * (HARMLESS[1] - HARMLESS[0]):.1f} "
        f"height={height} fill='#eceff2' />",
        f"<line x1={x(0.5)} x2={x(0.5)} y1=0 y2={height} stroke='#9aa5b1' />",
    ]
    for i, row in enumerate(rows.iter_rows(named=True)):
        y, colour = step * i + step / 2, _MARKS[row["status"]]
        parts += [
            f"<text x={left - 8} y={y + 4} text-anchor=end>{escape(_short(row['cue']))}</text>",
            f"<line x1={x(row['low'])} x2={x(row['high'])} y1={y} y2={y} stroke='{colour}' "
            "stroke-width=2 />",
            f"<circle cx={x(row['auc'])} cy={y} r=4 fill='{colour}'><title>AUC {row['auc']:.3f}, "
            f"{row['low']:.3f} to {row['high']:.3f}</title></circle>",
        ]
    for value in (0, 0.5, 1):
        parts.append(f"<text x={x(value)} y={height + 16} text-anchor=middle>{value:g}</text>")
    parts.append(f"<text x={x(0.5)} y={height + 31} text-anchor=middle>AUC</text></svg>")
    return Markup("".join(parts))


_SHORT = {
    "bandwidth_95": "bandwidth (95 % of power)",
    "bandwidth_99": "bandwidth (99 % of power)",
    "silence_ratio": "silent frames",
    "clipping": "samples at full scale",
    "zeros": "samples that are zero",
}


def _short(cue: str) -> str:
    return _SHORT.get(cue, WORDS[cue][0])


_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


def _distributions(measures: pl.DataFrame) -> Iterator[Markup]:
    yield Markup(
        "<h2>Durations, levels and the like</h2><p>Boxes hold the middle half of the clips, with "
        "the median; lines reach from the 5th to the 95th percentile. The three numbers are 5th "
        "percentile, median and 95th percentile."
    )
    yield from _panels(measures, "The same in all clips: {}.")


def _changes(pairs: pl.DataFrame) -> Iterator[Markup]:
    """Copies minus originals."""
    if pairs.is_empty():
        return
    yield Markup(
        "<h2>What the chain changed</h2><p>The number of each copy minus that of its original. "
        "Where the originals of both classes are alike, a chain that treats them alike gives both "
        "about the same box."
    )
    changes = pairs.with_columns(
        (pl.col(cue) - pl.col(copies.of_original(cue))).alias(cue) for cue in CUES
    )
    yield from _panels(changes, "Changed alike in all clips: {}.")


def _panels(rows: pl.DataFrame, constant_in: str) -> Iterator[Markup]:
    """Boxes of every cue and split; a sentence has the cues that are the same in all clips."""
    for split in _splits(rows):
        of_split = rows.filter(pl.col("split") == split)
        yield Markup("<h3>{}</h3><div class=panels>").format(split)
        constant = []
        for cue in CUES:
            if of_split[cue].n_unique() == 1:
                constant.append(f"{_short(cue)} {in_words(cue, of_split[cue][0])}")
                continue
            yield Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(
                f"{_short(cue)}, {WORDS[cue][2]}", _boxes(of_split, cue)
            )
        yield Markup("</div>")
        if constant:
            yield Markup("<p>{}").format(constant_in.format(", ".join(constant)))


def _boxes(rows: pl.DataFrame, cue: str) -> Markup:
    shares = {
        label: np.quantile(values, _SHARES)
        for label in LABELS
        if (values := rows.filter(pl.col("label") == label)[cue].to_numpy()).size
    }
    low = min(each[0] for each in shares.values())
    high = max(each[-1] for each in shares.values())
    left, width = 70, 230

    def x(value: float) -> float:
        return left + width * (value - low) / ((high - low) or 1)

    parts = [f"<svg viewBox='0 0 {left + width + 10} {44 * len(shares)}' role=img>"]
    for i, (label, (p5, p25, p50, p75, p95)) in enumerate(shares.items()):
        y, colour = 44 * i + 14, _COLOURS[label]
        unit = f" {WORDS[cue][2]}"
        text = " · ".join(in_words(cue, value).removesuffix(unit) for value in (p5, p50, p95))
        parts += [
            f"<text x={left - 8} y={y + 4} text-anchor=end>{_CLASSES[label]}</text>",
            f"<line x1={x(p5):.1f} x2={x(p95):.1f} y1={y} y2={y} stroke='{colour}' />",
            f"<rect x={x(p25):.1f} y={y - 7} width={max(1.0, x(p75) - x(p25)):.1f} height=14 "
            f"fill='{colour}' fill-opacity=.3 stroke='{colour}' />",
            f"<line x1={x(p50):.1f} x2={x(p50):.1f} y1={y - 7} y2={y + 7} stroke='{colour}' "
            "stroke-width=3 />",
            f"<text x={left} y={y + 23}>{escape(text)}</text>",
        ]
    return Markup("".join([*parts, "</svg>"]))


def _conditions(levels: pl.DataFrame) -> Iterator[Markup]:
    yield Markup("<h2>Classes per condition</h2>")
    if levels.is_empty():
        yield Markup("<p>No split has both classes.")
        return
    yield Markup(
        "<p>Clips of each class by what the corpus says about them, by type of file and sample "
        "rate. The bar is the share of bona fide speech in the level."
    )
    for (split, condition), rows in levels.group_by("split", "condition", maintain_order=True):
        ordered = rows.sort(
            pl.col("n_bonafide") + pl.col("n_spoof"), descending=True, maintain_order=True
        )
        yield Markup("<details{}><summary>{}, {}: {}</summary>").format(
            Markup(" open") if rows.height <= _FEW_LEVELS else "",
            split,
            condition,
            _counted(rows.height, "level"),
        )
        yield Markup(
            "<div class=table><table><tr><th>{}<th class=n>bona fide<th class=n>spoof"
            "<th>share of bona fide"
        ).format(condition)
        for row in ordered.head(MOST_LEVELS_SHOWN).iter_rows(named=True):
            share = row["n_bonafide"] / (row["n_bonafide"] + row["n_spoof"])
            bar = Markup(
                f"<svg viewBox='0 0 160 14' width=160 height=14><rect width=160 height=14 "
                f"fill='{_COLOURS['spoof']}' fill-opacity=.3 /><rect width={160 * share:.1f} "
                f"height=14 fill='{_COLOURS['bonafide']}' /></svg>"
            )
            yield Markup("<tr><td>{}<td class=n>{}<td class=n>{}<td class=bar>{}{:.0f} %").format(
                row["level"], row["n_bonafide"], row["n_spoof"], bar, 100 * share
            )
        more = rows.height - MOST_LEVELS_SHOWN
        if more > 0:
            yield Markup("<tr><td colspan=4>and {}").format(_counted(more, "more level"))
        yield Markup("</table></div></details>")


# --- clips ---------------------------------------------------------------------------------------


def _to_hear(
    result: Audit, measures: pl.DataFrame, originals: pl.DataFrame | None
) -> Iterator[Markup]:
    """A few clips: of the strongest cue, of the first duplicates, and by lot; there a copy follows
    its original.
    """
    strongest = _of_strongest(result.cues, measures)
    parts = [
        ("The cue that separates best", strongest),
        ("Identical audio", _of_duplicates(result.rows, measures)),
        ("Drawn by lot", _by_lot(measures, originals, set(result.pairs["utt_id"]))),
    ]
    if not any(clips for _, clips in parts):
        return
    yield Markup("<h2>Clips</h2><p>Players have the first four seconds of a clip.")
    for heading, clips in parts:
        if clips:
            yield Markup("<h3>{}</h3>{}").format(heading, audio_players(clips))


def _of_strongest(cues: pl.DataFrame, measures: pl.DataFrame) -> list[Clip]:
    """The clips of each class that are at the median of the cue whose AUC is farthest from 0.5."""
    if cues.is_empty():
        return []
    # A cue that is planted is known; one that warns is to be heard first.
    order = pl.col("status").replace_strict({"warn": 0, "planted": 1, "ok": 2})
    row = cues.sort(order, -(pl.col("auc") - 0.5).abs(), maintain_order=True).row(0, named=True)
    clips = []
    for label in LABELS:
        of_class = measures.filter((pl.col("split") == row["split"]) & (pl.col("label") == label))
        if label == "spoof" and row["attack"] != ALL:
            of_class = of_class.filter(pl.col("attack") == row["attack"])
        ranked = of_class.sort(row["cue"], "utt_id")
        clip = ranked.row((ranked.height - 1) // 2, named=True)
        value = in_words(row["cue"], clip[row["cue"]])
        clips.append(Clip(clip["path"], f"{_named(clip)}: {_short(row['cue'])} {value}"))
    return clips


def _of_duplicates(rows: pl.DataFrame, measures: pl.DataFrame) -> list[Clip]:
    found = rows.filter((pl.col("check") == "duplicates") & pl.col("status").is_in(NEEDS_ATTENTION))
    if found.is_empty():
        return []
    first = measures.filter(pl.col("utt_id") == found["item"][0])
    return [
        Clip(clip["path"], f"{_named(clip)}: {found['note'][0]}")
        for clip in first.iter_rows(named=True)
    ]


def _by_lot(
    measures: pl.DataFrame, originals: pl.DataFrame | None, compared: Collection[str]
) -> list[Clip]:
    """Of each split a bona fide clip, and a spoof; the same ones whenever the page is made. Before
    a copy stands its original, where that could be compared with it.
    """

    def lot(utt_id: str) -> str:
        return hashlib.sha256(utt_id.encode()).hexdigest()

    clips = []
    for split in _splits(measures):
        for label in LABELS:
            of_class = measures.filter((pl.col("split") == split) & (pl.col("label") == label))
            if not of_class.is_empty():
                clip = min(of_class.iter_rows(named=True), key=lambda row: lot(row["utt_id"]))
                if originals is not None and clip["utt_id"] in compared:
                    original = originals.row(
                        by_predicate=pl.col("utt_id") == clip["source_utt"], named=True
                    )
                    clips.append(Clip(original["path"], f"original of {clip['utt_id']}"))
                clips.append(Clip(clip["path"], f"{_named(clip)}: {clip['duration']:.2f} s"))
    return clips


def _named(clip: Mapping[str, str]) -> str:
    what = "bona fide" if clip["label"] == "bonafide" else f"spoof ({clip['attack']})"
    return f"{clip['split']}, {what}, {clip['utt_id']}"


# --- tables --------------------------------------------------------------------------------------


def _tables(rows: pl.DataFrame, headings: Mapping[str, str]) -> Iterator[Markup]:
    """The findings of every check."""
    for check, heading in headings.items():
        of_check = rows.filter(pl.col("check") == check)
        if of_check.is_empty():
            continue
        yield Markup(
            "<h2>{}</h2><div class=table><table><tr><th>split<th>item<th class=n>value<th>note"
        ).format(heading)
        for row in of_check.iter_rows(named=True):
            value = "" if row["value"] is None else f"{row['value']:g}"
            yield Markup("<tr class={}><td>{}<td>{}<td class=n>{}<td>{}").format(
                row["status"], row["split"], row["item"], value, row["note"]
            )
        yield Markup("</table></div>")


def _cue_tables(cues: pl.DataFrame, rows: pl.DataFrame) -> Iterator[Markup]:
    if cues.is_empty():
        return
    yield Markup(
        "<h2>Trivial cues of every attack</h2><p>AUC of one number per clip. A cell is coloured "
        "when the AUC is outside 0.4 to 0.6 and its interval, which holds for all cells together, "
        "excludes 0.5. Point at a cell for interval, medians and counts."
    )
    cells = {
        (row["split"], row["item"], row["attack"]): row
        for row in rows.filter(pl.col("check") == "cue").iter_rows(named=True)
    }
    for split in _splits(cues):
        attacks = cues.filter(pl.col("split") == split)["attack"].unique(maintain_order=True)
        yield Markup("<h3>{}</h3><div class=table><table><tr><th>cue{}").format(
            split, Markup().join(Markup("<th>{}").format(attack) for attack in attacks)
        )
        for cue in CUES:
            of_cue = [cells[split, cue, attack] for attack in attacks]
            yield Markup("<tr><td>{}{}").format(
                _short(cue),
                Markup().join(
                    Markup('<td class="n {}" title="{}">{:.3f}').format(
                        cell["status"], cell["note"], cell["value"]
                    )
                    for cell in of_cue
                ),
            )
        yield Markup("</table></div>")
