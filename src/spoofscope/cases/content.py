"""What a case report says, section by section."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spoofscope import __version__
from spoofscope.attribution.explained_recording import RULES, conclusion, relative_to
from spoofscope.attribution.verdicts import TITLES
from spoofscope.attribution_methods import METHOD_TITLES
from spoofscope.cases.case import Case
from spoofscope.cases.document import (
    Block,
    Document,
    Heading,
    Items,
    Kind,
    Paragraph,
    Picture,
    Table,
)
from spoofscope.cases.validation import MEANINGS, ValidatedSet
from spoofscope.figures.case_validation import Ratios, png_of, validation_picture
from spoofscope.figures.explained_recording import recording_figure
from spoofscope.figures.window_scores import window_figure
from spoofscope.files import shown
from spoofscope.metrics.measure import Measured
from spoofscope.names import BONAFIDE, SPOOF
from spoofscope.quality import DISQUALIFYING, FLAGS
from spoofscope.selection.calibration import ratio_text, supported_text
from spoofscope.support import doubts_of
from spoofscope.tables import LABELS
from spoofscope.tracing.validation import said_of

_COLUMNS = 3
"""Sets beside each other in a table."""
_LINES = 3
"""Sets below each other in a picture."""

_ROUNDING = 1e-9
_BITS = ("cllr", "min_cllr")
_SCALE = (
    *((1e6, "extremely strong"), (1e4, "very strong"), (1e3, "strong")),
    *((1e2, "moderately strong"), (1e1, "moderate"), (2.0, "weak")),
)
"""Verbal equivalents from the ratio on, after ENFSI."""

_EQUAL = 0.5
"""The prior of bona fide at equal odds."""

_SAID = {BONAFIDE: "bona fide", SPOOF: "spoof"}


def document_of(case: Case) -> Document:
    """The report of a case."""
    name = shown(case.file.name)
    sections = (
        _asked(case),
        _recording(case),
        _result(case),
        _validation(case),
        _explanation(case),
        _tracing(case),
        _limits(case),
        _reproduction(case),
    )
    foot = (
        f"{name} · SHA-256 {case.file.sha256[:16]}… · detector {case.judgement['detector']} · "
        f"spoofscope {__version__}"
    )
    blocks = (*_summary(case), *(block for section in sections for block in section))
    return Document(f"Case report: {name}", foot, blocks)


def verbal(llr: float) -> str:
    """What a natural-log likelihood ratio supports, in the words of ENFSI's guideline."""
    for least, word in _SCALE:
        # A ratio of 1,000 is one, whatever its logarithm is rounded to.
        if abs(llr) >= math.log(least) - _ROUNDING:
            return (
                f"{word} support for the proposition that the recording is "
                f"{'bona fide speech' if llr > 0 else 'a spoof'}"
            )
    return "no support for one proposition over the other"


def _support(llr: float) -> str:
    one, other = ("bona fide speech", "a spoof") if llr >= 0 else ("a spoof", "bona fide speech")
    times = ratio_text(abs(llr))
    more = "as" if times == "1" else f"{times} times as"
    return f"Such a result is {more} probable if the recording is {one} as if it is {other}"


def _summary(case: Case) -> list[Block]:
    llr = case.judgement["llr"]
    blocks: list[Block] = [Paragraph(in_short(case), "result")]
    blocks += [Paragraph(doubt, "warning") for doubt in doubts_of(case.judgement["validation"])]
    if llr is None and not case.validating:
        blocks.append(
            Paragraph("This detector is not validated here: its errors are not known.", "warning")
        )
    if case.known_clip is not None:
        blocks.append(
            Paragraph(
                "This very file is among the clips of the detector's study "
                f"({case.known_clip}), so the result is no independent one.",
                "warning",
            )
        )
    return blocks


def in_short(case: Case) -> str:
    """The result in a line, as the report begins."""
    llr = case.judgement["llr"]
    if llr is None:
        reasons = "; ".join(case.judgement["reasons"]) or "the detector is not calibrated"
        return f"No likelihood ratio is given, because {reasons}."
    if case.is_supported:
        return f"{_support(llr)}: {verbal(llr)}."
    if not case.validating:
        return f"{_support(llr)}, says the detector, which is not validated here."
    return f"{_support(llr)}, says the detector. Its validation does not support this ratio."


def _asked(case: Case) -> list[Block]:
    made = case.made or "not stated"
    return [
        Heading("What was asked"),
        Paragraph(case.question),
        Table(
            (
                ("Report made", made),
                ("By", f"spoofscope {__version__}, detector {case.judgement['detector']}"),
            )
        ),
    ]


def _recording(case: Case) -> list[Block]:
    file, judgement = case.file, case.judgement
    measures = judgement["measures"]

    def measured(name: str, form: str, factor: float = 1) -> str:
        value = measures[name]
        return "not known" if value is None else form.format(factor * value)

    rows = (
        ("File", shown(file.name)),
        ("SHA-256", file.sha256),
        ("Size", f"{file.bytes:,} bytes"),
        (
            "Format",
            f"{file.kind}, {file.rate} Hz, {file.channels} channel"
            f"{'' if file.channels == 1 else 's'}",
        ),
        ("Duration", f"{judgement['duration_s']:.3f} s"),
        ("Audible", measured("audible_s", "{:.2f} s")),
        ("Level of what is audible", measured("level_dbfs", "{:.1f} dB re full scale")),
        ("Samples at full scale", measured("clipped_share", "{:.3f} %", 100)),
        ("Highest frequency", measured("cutoff_hz", "{:.0f} Hz (within 60 dB of the strongest)")),
        (
            "Distance from training",
            measured("distance", "{:.2f} (1 = the largest that is usual)"),
        ),
    )
    blocks: list[Block] = [Heading("The recording"), Table(rows)]
    flags = judgement["flags"]
    raised = [name for name, flag in flags.items() if flag]
    unknown = [name.replace("_", " ") for name, flag in flags.items() if flag is None]
    blocks += [
        Paragraph(
            f"{FLAGS[name][0].upper()}{FLAGS[name][1:]}"
            + (", so it is not judged." if name in DISQUALIFYING else ": treat with care."),
            "warning",
        )
        for name in raised
    ]
    if not raised:
        blocks.append(Paragraph("No warning about its quality was raised."))
    if unknown:
        blocks.append(Paragraph(f"Not known: {', '.join(unknown)}.", "note"))
    return blocks


def _result(case: Case) -> list[Block]:
    judgement, calibration = case.judgement, case.judgement["calibration"]
    llr = judgement["llr"]
    blocks: list[Block] = [
        Heading("Result"),
        Paragraph(
            "Two propositions are compared. H1: the recording is bona fide speech. H2: the "
            "recording is a spoof, that is, synthetic, converted or otherwise forged speech. Both "
            "are as represented by the development data of the detector."
        ),
    ]
    decision = {**_SAID, "inconclusive": "inconclusive"}[judgement["decision"]]
    unsupported = ""
    if llr is not None and not case.is_supported:
        unsupported = "not supported by the validation" if case.validating else "not validated"
    if unsupported and decision != "inconclusive":
        decision += f", by a ratio that is {unsupported}"
    rows = [
        (
            "Score of the detector",
            f"{judgement['score']:+.4f} (no unit, higher = more bona fide)",
        )
    ]
    if llr is not None and calibration is not None and judgement["log10_llr"] is not None:
        rows += [
            ("Likelihood ratio, H1 over H2", ratio_text(llr)),
            ("Its logarithm to base 10", f"{judgement['log10_llr']:+.2f}"),
            ("Its natural logarithm", f"{llr:+.2f}"),
            (
                "Bounds of the detector",
                f"{ratio_text(calibration['lower'])} to {ratio_text(calibration['upper'])}",
            ),
            (
                "In words (ENFSI 2015)",
                f"none: the ratio is {unsupported}" if unsupported else verbal(llr),
            ),
        ]
    rows.append((f"Decision {decision_rule(calibration)}", decision))
    blocks.append(Table(tuple(rows)))
    if calibration is None:
        blocks.append(Paragraph("The detector is not calibrated, so there is no ratio.", "warning"))
    elif llr is None:
        blocks.append(
            Paragraph(
                "The ratio is withheld: of a recording that it cannot judge, a detector's ratio "
                "says nothing.",
                "warning",
            )
        )
    else:
        at_bound = min(abs(llr - calibration[end]) for end in ("lower", "upper")) < _ROUNDING
        bound = " The ratio is at its bound, and no stronger one is supported." if at_bound else ""
        blocks.append(Paragraph(f"{supported_text(calibration)}.{bound}"))
    blocks += [
        Paragraph(f"No decision, because {reason}.", "warning") for reason in judgement["reasons"]
    ]
    blocks += _windows(case)
    blocks.append(
        Paragraph(
            "A likelihood ratio is no probability that the recording is a spoof. How probable that "
            "is depends also on everything else that is known about the case. Words follow the "
            "ENFSI Guideline for Evaluative Reporting in Forensic Science (2015), with no support "
            "for ratios between 1/2 and 2.",
            "note",
        )
    )
    return blocks


def _windows(case: Case) -> list[Block]:
    """The scores over time, of a recording of several windows."""
    if len(case.windows) == 1:
        return []
    disqualified = any(case.judgement["flags"][name] for name in DISQUALIFYING)
    figure, _ = window_figure(
        case.windows, case.undecided, case.judgement["duration_s"], is_judged=not disqualified
    )
    return [
        Picture(
            png_of(figure),
            "Score of each window over time",
            f"Scores of the {len(case.windows)} windows that the score of the recording is made "
            "of. A colour says what the decision would be by the window alone; how often that is "
            "wrong is not known here. Windows that differ from the others are places to listen to, "
            "and no finding.",
        )
    ]


def decision_rule(calibration: Mapping[str, Any] | None) -> str:
    """What the decision of a detector is made by."""
    if calibration is None:
        return "at the threshold of its EER"
    prior = calibration["prior"]
    return "at equal prior odds" if prior == _EQUAL else f"at a prior of {prior:g} for bona fide"


def attacks_text(n: int | None) -> str:
    """A number of attacks, None where they are not known."""
    if n is None:
        return "attacks not known"
    return f"{n} attack{'' if n == 1 else 's'}"


def _cell(name: str, each: ValidatedSet) -> str:
    measured = each.measured.get(name, Measured(None))
    value, interval = measured.value, measured.interval
    if value is None:
        return "-"
    if name in _BITS:
        between = "" if interval is None else f" ({interval.low:.3f} to {interval.high:.3f})"
        return f"{value:.3f}{between}"
    between = (
        "" if interval is None else f" ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
    )
    counted = dict(zip(LABELS, (each.n_bonafide, each.n_spoof), strict=True))
    label = name.partition("_")[0]
    many = f"{round(value * counted[label])} of {counted[label]}: " if label in counted else ""
    return f"{many}{100 * value:.1f} %{between}"


def _validation(case: Case) -> list[Block]:
    blocks: list[Block] = [Heading("Validation of this detector")]
    if not case.validation:
        blocks.append(
            Paragraph("There are no scored sets of this detector: nothing is known of its errors.")
        )
        return blocks
    where = ", ".join(case.conditions)
    blocks.append(
        Paragraph(
            f"These are the errors of this very detector on the sets that its study “{case.study}” "
            "scored. "
            + (
                f"Only trials under the conditions of the case count ({where})."
                if where
                else "No condition of the case was named, so all trials of every set count."
            )
        )
    )
    for start in range(0, len(case.validation), _COLUMNS):
        blocks.append(_table(case.validation[start : start + _COLUMNS]))
    blocks += _beside(case)
    calibration = case.judgement["calibration"]
    sets = [
        Ratios(each.scored.name, each.ratios(BONAFIDE), each.ratios(SPOOF), each.reliability.table)
        for each in case.validating
        if each.reliability is not None
    ]
    if calibration is None:
        return blocks
    for start in range(0, len(sets), _LINES):
        blocks.append(
            Picture(
                validation_picture(
                    sets[start : start + _LINES], calibration, case.judgement["llr"]
                ),
                "Tippett plot and reliability diagram of the validation sets",
                "Left (Tippett plot): share of the bona fide clips (blue) and of the spoofs "
                "(orange) whose ratio is at least the value on the axis. The farther the curves "
                "are apart, the better; spoofs right of 0 and bona fide clips left of it have "
                "ratios that mislead. Right (reliability diagram): share of bona fide clips among "
                "the clips of a predicted probability, with both classes weighted to the prior "
                f"{calibration['prior']:g}. On the diagonal, ratios mean what they say. Bars are "
                "95 % intervals; open dots stand for fewer than 5 clips.",
            )
        )
    return blocks


def _supported(each: ValidatedSet) -> str:
    supported = each.scored.supported
    if supported is None:
        return "-"
    if not supported.is_informative:
        return "none: Cllr is not below 1"
    lower, upper = map(ratio_text, supported.bounds)
    return "1 alone" if lower == upper else f"{lower} to {upper}"


def _table(sets: Sequence[ValidatedSet]) -> Table:
    rows = [
        ("bona fide clips", *(str(each.n_bonafide) for each in sets)),
        ("spoofs", *(f"{each.n_spoof} ({attacks_text(each.n_attacks)})" for each in sets)),
        (
            "speakers",
            *("not known" if each.n_speakers is None else str(each.n_speakers) for each in sets),
        ),
    ]
    rows += [
        (meaning, *(_cell(name, each) for each in sets))
        for name, meaning in MEANINGS.items()
        if any(name in each.measured for each in sets)
    ]
    if any(each.scored.supported is not None for each in sets):
        rows.append(("likelihood ratios that these clips support", *map(_supported, sets)))
    units = " and ".join(sorted({each.unit for each in sets}))
    return Table(
        tuple(rows),
        ("", *(each.scored.name for each in sets)),
        frozenset(range(1, len(sets) + 1)),
        f"In brackets 95 % intervals, from resampled {units}, and at least the exact binomial ones "
        "of rates. Errors are of all trials: clips that the detector would not judge for their "
        "quality are among them. Supported ratios are the empirical bounds of Vergeer et al. "
        "(2016), as for the calibration, but of these clips.",
    )


def _beside(case: Case) -> list[Block]:
    """How the recording compares with the clips of the validation."""
    own = case.judgement["duration_s"]
    texts, others = [], []
    for each in case.validating:
        durations, rates = each.scored.trials["duration"], each.scored.trials["sample_rate"]
        low, high = (float(durations.quantile(q) or 0.0) for q in (0.025, 0.975))
        usual = low <= own <= high
        text = (
            f"{each.scored.name}: 95 % of its clips last {low:.2f} to {high:.2f} s, and "
            f"the recording lasts {own:.2f} s, which is {'within' if usual else 'outside'} that"
        )
        text += f"; its clips have {', '.join(f'{rate} Hz' for rate in sorted(set(rates)))}"
        text += f", and the recording has {case.file.rate} Hz."
        texts.append(text)
        if not usual:
            others.append(each.scored.name)
    if not texts:
        return []
    blocks: list[Block] = [Paragraph("The recording beside these clips:"), Items(tuple(texts))]
    if others:
        blocks.append(
            Paragraph(
                f"The recording lasts {own:.2f} s, as few clips of {' and '.join(others)} do. "
                "Scores of other durations may differ, so these errors need not be those of such "
                "recordings.",
                "warning",
            )
        )
    return blocks


def _explanation(case: Case) -> list[Block]:
    blocks: list[Block] = [Heading("What moved the score")]
    explained = case.explained
    if explained is None:
        blocks.append(Paragraph(f"There is no explanation: {case.unexplained}."))
        return blocks
    kind: Kind = "plain" if explained.verdict == "passes" and explained.is_complete else "warning"
    blocks.append(Paragraph(conclusion(explained), kind))
    picture = png_of(recording_figure(explained, shown(case.file.name), ""))
    method = METHOD_TITLES[explained.explanation.settings.method]
    blocks.append(
        Picture(
            picture,
            "Waveform and spectrogram of the recording with the evidence upon them",
            f"{method}{relative_to(explained.explanation)}: evidence for spoof (orange) "
            "and for bona fide (blue) upon waveform and spectrogram. It shows what this detector "
            "reacted to, which need not be a trace of a forgery.",
        )
    )
    rows = tuple(
        (
            TITLES[control.control],
            control.verdict,
            "-" if control.value is None else f"{control.value:+.3g}",
            "-" if control.compared_with is None else f"{control.compared_with:+.3g}",
            RULES[control.control],
        )
        for control in explained.controls
    )
    header = ("control", "verdict", "value", "mean of controls", "rule")
    blocks.append(Table(rows, header, frozenset({2, 3})))
    if explained.regions.height:
        regions = tuple(
            (
                _SAID[row["evidence"]],
                f"{row['start']:.2f}",
                f"{row['end']:.2f}",
                "-" if row["low_hz"] is None else f"{row['low_hz']:.0f}–{row['high_hz']:.0f}",
                f"{100 * row['share']:.0f} %",
            )
            for row in explained.regions.iter_rows(named=True)
        )
        blocks.append(
            Table(
                regions,
                ("evidence for", "from (s)", "to (s)", "strongest band (Hz)", "share of it"),
                frozenset({1, 2, 3, 4}),
                "Stretches with the strongest evidence; shares are of all evidence for that class.",
            )
        )
    return blocks


def _tracing(case: Case) -> list[Block]:
    trace = case.trace
    if trace is None:
        return []
    answer = trace["answer"]
    blocks: list[Block] = [
        Heading("Which system may have made it"),
        Paragraph(f"The tracer's answer: {answer}.", "result"),
        *(Paragraph(text, "warning") for text in said_of(trace["validation"])),
    ]
    by = trace["bonafide_by"]
    if by is not None and by["decision"] == BONAFIDE:
        # The answer is the detector's, so its doubts are those of the answer.
        blocks += [Paragraph(doubt, "warning") for doubt in doubts_of(by["validation"])]
    blocks += [Paragraph(f"Because {reason}.") for reason in trace["reasons"]]
    ood = trace["ood"][trace["decided_by"]]
    blocks.append(
        Paragraph(
            f"The score of unknown systems ({trace['decided_by']}) is {ood['score']:.4g}; from "
            f"{ood['threshold']:.4g} on a system counts as unknown. Tracer {trace['tracer']}, "
            f"{trace['n_dev']} development clips of known systems."
        )
    )
    if trace["ranked"]:
        ranked = tuple(
            (_SAID.get(each["name"], each["name"]), each["said"]) for each in trace["ranked"]
        )
        blocks.append(
            Table(
                ranked,
                ("known system", "probability"),
                caption="Probabilities hold if one of these systems made the recording.",
            )
        )
    if trace["enrolled"]:
        enrolled = tuple(
            (
                each["name"],
                str(each["n_references"]),
                f"{each['cosine']:.3f}",
                "-" if each["llr"] is None else f"{each['llr'] / math.log(10):+.2f}",
            )
            for each in trace["enrolled"]
        )
        header = ("enrolled system", "references", "cosine", "log10 likelihood ratio")
        blocks.append(Table(enrolled, header, frozenset({1, 2, 3})))
    if trace["nearest"]:
        nearest = tuple(
            (
                each["utt_id"],
                _SAID.get(each["attack"], each["attack"]),
                f"{each['cosine']:.3f}",
            )
            for each in trace["nearest"]
        )
        titles = ("most similar training clip", "system", "cosine")
        blocks.append(Table(nearest, titles, frozenset({2})))
    if trace["notes"]:
        blocks.append(Items(tuple(f"{note[:1].upper()}{note[1:]}." for note in trace["notes"])))
    return blocks


def _limits(case: Case) -> list[Block]:
    attacks = [f"{each.scored.name} ({attacks_text(each.n_attacks)})" for each in case.validating]
    texts = [
        "The ratio compares the recording with the development data of the detector. For speech "
        "from other microphones, channels, codecs, languages or rooms it may be wrong, and no "
        "interval of this report covers that.",
        "A spoofing system that is not in the data may go unnoticed. "
        + (
            f"The validation is with the spoofs of {' and '.join(attacks)}."
            if attacks
            else "There is no validation that would show how often."
        ),
        "The score is one for the whole recording. A short forged passage in genuine speech may "
        "not move it.",
        "Intervals hold for trials like those of the sets, of the numbers of speakers and attacks "
        "that are given.",
        "The explanation shows what this detector reacted to. It is no evidence of its own, and "
        "where it fails its controls, it must not be relied on.",
        "Nothing is said about who speaks, what is said, or how the recording came about.",
    ]
    return [Heading("Limits"), Items(tuple(texts))]


def _reproduction(case: Case) -> list[Block]:
    settings = case.settings
    meta = settings["meta"]
    rows = [
        ("Detector", str(case.judgement["detector"])),
        ("Front-end", str(settings["frontend"]["type"])),
        ("Back-end", str(settings["backend"]["type"])),
    ]
    backbone = settings["backbone"]
    if backbone is not None:
        name = backbone.get("hub") or backbone.get("folder") or backbone.get("family")
        pin = backbone.get("revision") or backbone.get("sha256") or "in the weights"
        rows.append(("Backbone", f"{name} ({pin})"))
    for what, key in (("Trained on", "trained_on"), ("Calibrated on", "dev")):
        rows += [
            (
                what,
                f"{Path(source['manifest']).stem}, {source['split']}: {source['n_bonafide']} bona "
                f"fide, {source['n_spoof']} spoof",
            )
            for source in meta.get(key, ())
        ]
    rows.append(("Software", f"spoofscope {__version__}"))
    hashes = tuple((each.role, shown(each.name), each.sha256) for each in case.inputs)
    return [
        Heading("Inputs and versions"),
        Table(tuple(rows)),
        Table(
            hashes,
            ("input", "file", "SHA-256"),
            caption="The same inputs, question and time of making give this report again, byte by "
            "byte, with the same version on the same kind of machine.",
        ),
    ]
