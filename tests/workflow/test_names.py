"""Names for people are in every figure, in the report and in tables for papers."""

import html
import re
from importlib import import_module

import pytest
from checkout import TINY_STUDY

from spoofscope import exhibits, results
from spoofscope.figures import style
from text_boxes import faults

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# What makes a name longer than most figures have room for.
LONG = "_with_a_very_long_name_as_some_people_like"

# Of each kind all that figures of the mini study show. They are no part of one another.
NAMES = {
    "systems": {
        name: f"Sys{i:02}{LONG}"
        for i, name in enumerate(
            [
                *("fbank_cnn", "wavlm_mhfa", "wav2vec2_aasist", "hubert_linear", "lfcc_gmm"),
                *("lfcc_gmm_vocoders", "lfcc_lcnn", "packets_dcnn", "names", "all"),
            ]
        )
    },
    "corpora": {"mini": f"Corpus A{LONG}", "mini_field": f"Corpus B{LONG}"},
    "attacks": {
        name: f"Att{i:02}{LONG}"
        for i, name in enumerate(
            [
                *("band_limit", "buzz", "digital_silence", "griffin_lim", "over_smoothed"),
                *("phase_smear", "quantised_envelope", "splice", "upsampling"),
            ]
        )
    },
    "conditions": {"codec": "Cond1", "gender": "Cond2"},
    "levels": {"gender": {"female": "Lev1", "male": "Lev2"}},
}
# The same names without what makes them long, for figures of many panels: to fit long names into
# these takes seconds each (tests/test_figure_names.py has long names of levels).
SHORT = {
    kind: {name: shown.removesuffix(LONG) for name, shown in names.items()}
    for kind, names in NAMES.items()
    if kind != "levels"
} | {"levels": NAMES["levels"]}
SHORT_IN = {"attribution_examples", "attribution_groups", "eer_by_condition"}
# Words with other meanings in figures: the fusion `all` and all trials, the cue and mask of a band.
AMBIGUOUS = {"all", "names", "band_limit"}


def texts_of(name: str, given: dict, folder, monkeypatch) -> list[str]:
    """All texts in a figure, each within the page and beside the others."""
    texts: list[str] = []
    close = style.plt.close

    def closed(figure) -> None:
        texts.extend(text.get_text() for text in figure.findobj(style.Text))
        assert not faults(figure), name
        close(figure)

    outputs = {suffix: str(folder / f"{name}.{suffix}") for suffix in ("pdf", "png", "tsv")}
    with monkeypatch.context() as patch:
        patch.setattr(style.plt, "close", closed)
        # The texts are those of the figure; files of it take as long again.
        for written in ("_write_pdf", "_write_png"):
            patch.setattr(style, written, lambda sheets, path: path.touch())
        import_module(f"spoofscope.figures.{name}").draw(**given, outputs=outputs)
    return texts


def test_every_figure_of_the_mini_study_shows_them(mini, tmp_path, monkeypatch):
    study = results.open(mini.folder / "results/mini")
    monkeypatch.chdir(mini.folder)
    raw = {name for kind in ("systems", "corpora", "attacks") for name in NAMES[kind]} - AMBIGUOUS
    shown = []
    try:
        for name in exhibits.figures():
            if name not in study.figures:
                continue
            style.use_names(SHORT if name in SHORT_IN else NAMES)
            given = study.job_of(f"figures/{name}.png")["parameters"]["given"]
            texts = texts_of(name, given, tmp_path, monkeypatch)
            words = {word for text in texts for word in re.findall(r"[\w-]+", text)}
            assert not words & raw, (name, words & raw)
            shown.append(any(re.search(r"Sys\d\d|Att\d\d|Corpus [AB]", text) for text in texts))
    finally:
        style.use_names({})
    assert len(shown) > 25
    assert sum(shown) > 0.8 * len(shown)


def test_report_and_papers_have_them(tiny_copy):
    names = {
        "systems": {"lfcc_linear": "LFCC & a line"},
        "corpora": {"talkers": "Corpus A"},
        "attacks": {"griffin_lim": "Griffin–Lim", "buzz": "A buzz"},
    }
    path = tiny_copy.write_study({**TINY_STUDY, "names": names}, "named.yaml")
    before = {job.rule for job in tiny_copy.plan("--configfile", path)}
    assert before & {"train", "score", "compute_metrics", "manifest"} == set()
    tiny_copy.make("--configfile", path)
    folder = tiny_copy.folder / "results/tiny"
    page = html.unescape((folder / "report/index.html").read_text(encoding="utf-8"))
    visible = re.sub(r"<(style|script|code).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    for text in ("LFCC & a line", "Corpus A", "Griffin–Lim"):
        assert text in visible
    for name in ("lfcc_linear", "talkers, eval", "griffin_lim"):
        assert name not in visible
    assert r"LFCC \& a line & Corpus A & eval" in (folder / "tables/headline.tex").read_text(
        encoding="utf-8"
    )
    # Tables for machines and files keep the names of the study.
    study = results.open(folder)
    assert set(study.table("headline")["name"]) == {"lfcc_linear"}
    assert (folder / "audits/talkers.html").is_file()
    assert 'href="../audits/talkers.html"' in page
