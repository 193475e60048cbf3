"""Names that users chose are drawn as they are, in any figure."""

import ast
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import polars as pl
import pytest

from spoofscope.display import DisplayNames
from spoofscope.figures import (
    artefact_correlations,
    eer_by_condition,
    fitting,
    style,
    train_test_matrix,
)
from spoofscope.study import MOST_SHOWN
from spoofscope.tables import read_table, write_table

ROOT = Path(__file__).resolve().parents[1]
FORMULAS = [r"$x_{\frac$", "a$b$c", "Ba$$in", "cost $5 to $9"]
LONG = [f"tts_models_multilingual_multi-dataset_xtts_v1.1_{end * 60}" for end in "xy"]
SCRIPTS = ["합성음성", "合成语音系统" * 8, "система" * 6, "نظام توليد الكلام" * 3, "\u202egnp"]
NAMES = {"formulas": FORMULAS, "long": [*LONG, "a name with blanks " * 6], "scripts": SCRIPTS}


@pytest.fixture(params=NAMES)
def names(request: pytest.FixtureRequest) -> list[str]:
    return NAMES[request.param]


def drawn(module: Any, names: list[str], folder: Path) -> tuple[list[str], pl.DataFrame]:
    """The texts of a figure about attacks of these names, and its numbers."""
    rows = [
        (system, 1, "la", "eval", condition, level, "eer", 0.2, 0.1, 0.3, 10, 10)
        for system in ("a-1", "b-2")
        for condition, level in [("pooled", "pooled"), *(("attack", name) for name in names)]
    ]
    columns = (
        "system seed corpus split condition level metric value ci_low ci_high n_bonafide n_spoof"
    )
    write_table(folder / "metrics.tsv", pl.DataFrame(rows, schema=columns.split(), orient="row"))
    systems = [
        {
            **{"id": system, "seed": 1, "name": name, "kind": "detector"},
            **{"trained_on": [names[0]], "train": None},
        }
        for system, name in zip(("a-1", "b-2"), (names[0], names[1]), strict=True)
    ]
    outputs = {suffix: str(folder / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}
    texts: list[str] = []
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        close = style.plt.close

        def closed(figure: Any) -> None:
            texts.extend(text.get_text() for text in figure.findobj(style.Text))
            for axes in figure.axes:
                box = axes.get_window_extent()
                room = axes.get_label() == "<colorbar>" or min(box.width, box.height) > 30
                assert room, "the names leave no room for axes"
            close(figure)

        patch.setattr(style.plt, "close", closed)
        more = {"data": {"la": "la"}} if module is train_test_matrix else {}
        module.draw(systems, [str(folder / "metrics.tsv")], outputs=outputs, **more)
    assert all(Path(path).stat().st_size > 0 for path in outputs.values())
    return texts, read_table(outputs["tsv"], {"level": pl.String()})


@pytest.mark.slow
@pytest.mark.parametrize("module", [eer_by_condition, train_test_matrix])
def test_names_are_drawn_and_listed(module, names, tmp_path):
    texts, numbers = drawn(module, names, tmp_path)
    lines = {line for text in texts for line in text.split("\n")}
    for name in names:
        assert fitting.shortened(name) in lines
        assert name in set(numbers["level"])


def test_looks_of_all_systems_that_are_shown_differ():
    for look in (style.line_style, style.mark_style):
        assert len({tuple(look(i).values()) for i in range(MOST_SHOWN)}) == MOST_SHOWN


def test_ticks_of_a_logarithmic_axis_are_text():
    figure = style.new_figure(3.5, 3)
    axes = figure.add_subplot()
    axes.plot([1, 2], [2e-3, 5e1])
    style.log_scale(axes)
    figure.draw_without_rendering()
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert {"10⁻³", "10⁻²", "10¹"} <= set(labels)
    style.plt.close(figure)


def test_letters_that_are_too_small_for_print_are_refused(tmp_path):
    outputs = {suffix: str(tmp_path / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}
    figure = style.new_figure(3.5, 3)
    figure.text(0, 0, "", fontsize=5)
    figure.text(0, 0, "small", fontsize=6.5)
    with pytest.raises(ValueError, match=r"letters of 6\.5 points: 'small'"):
        style.save(figure, outputs, pl.DataFrame({"a": [1]}))
    style.plt.close(figure)


@pytest.mark.slow
def test_a_users_matplotlibrc_changes_no_figure(tmp_path):
    """Nor makes letters too small to be saved."""
    table = pl.DataFrame({"a": [1]})

    def made(name: str) -> list[bytes]:
        outputs = {suffix: str(tmp_path / f"{name}.{suffix}") for suffix in ("pdf", "png", "tsv")}
        figure = style.new_figure(3.5, 3)
        axes = figure.subplots()
        axes.plot([1, 2], [3, 4], "o-", label="a label")
        axes.bar([1], [2], label="another")
        axes.set_title("a title")
        axes.legend()
        figure.suptitle("above")
        style.save(figure, outputs, table)
        return [Path(outputs[suffix]).read_bytes() for suffix in ("pdf", "png")]

    before = made("ours")
    users = {
        **{"font.size": 5, "xtick.labelsize": 3, "figure.titlesize": 4, "font.family": "serif"},
        **{"axes.facecolor": "black", "savefig.bbox": "tight", "savefig.facecolor": "yellow"},
        **{"lines.markersize": 20, "pdf.fonttype": 3, "xtick.direction": "in"},
        **{"patch.edgecolor": "red", "legend.loc": "lower left", "image.cmap": "gray"},
    }
    with style.mpl.rc_context(users):
        assert made("theirs") == before


def test_a_figure_is_laid_out_alike_in_all_its_files(tmp_path):
    """Its title is not cut in one of them; constrained layout settles after some drawings only."""
    outputs = {suffix: str(tmp_path / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}
    figure = style.new_figure(3.5, 4.9)
    part = figure.subfigures(1, 1, squeeze=False)[0, 0]
    axes = part.add_subplot()
    axes.set_aspect("equal")
    axes.set_title("a title")
    handles = [style.Line2D([], [], label=f"system {i}") for i in range(10)]
    part.legend(handles=handles, loc="outside lower center", title="EER", title_fontsize=7)
    style.save(figure, outputs, pl.DataFrame({"a": [1]}))
    places = []
    for dpi in (72, 200):
        figure.set_dpi(dpi)
        figure.draw_without_rendering()
        places.append(axes.get_position().extents.tolist())
        assert axes.title.get_window_extent().y1 < figure.bbox.y1
    assert places[0] == places[1]
    # Where it is pasted into a page it is as wide as the PDF.
    png = Path(outputs["png"]).read_bytes()
    at = png.index(b"pHYs") + 4
    width, dots_a_metre = (int.from_bytes(png[start : start + 4]) for start in (16, at))
    assert width / dots_a_metre == pytest.approx(3.5 * 0.0254, rel=0.003)


@pytest.mark.slow
@pytest.mark.parametrize(("ends", "said"), [((None, None), False), ((0.1, 0.3), True)])
def test_keys_speak_of_intervals_where_there_are_some(ends, said, tmp_path):
    rows = [
        ("a-1", 1, "la", "eval", condition, level, "eer", 0.2, *ends, 10, 10)
        for condition, level in [("pooled", "pooled"), ("attack", "A01")]
    ]
    columns = (
        "system seed corpus split condition level metric value ci_low ci_high n_bonafide n_spoof"
    )
    table = pl.DataFrame(rows, schema=columns.split(), orient="row")
    write_table(tmp_path / "metrics.tsv", table)
    system = {
        "id": "a-1",
        "seed": 1,
        "name": "a",
        "kind": "detector",
        "trained_on": [],
        "train": None,
    }
    outputs = {suffix: str(tmp_path / f"figure.{suffix}") for suffix in ("pdf", "png", "tsv")}
    for draw, more in (
        (eer_by_condition.draw, ()),
        (train_test_matrix.draw, ({"la": "la"},)),
    ):
        texts: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            close = style.plt.close

            def closed(figure: Any, texts: list[str] = texts, close: Any = close) -> None:
                texts.extend(text.get_text() for text in figure.findobj(style.Text))
                close(figure)

            patch.setattr(style.plt, "close", closed)
            draw([system], [str(tmp_path / "metrics.tsv")], *more, outputs)
        assert texts
        assert any("95 % interval" in text for text in texts) is said


@pytest.mark.slow
def test_no_key_speaks_of_intervals_unasked():
    """Also where no test draws a figure without them: `interval_words` decides."""
    found = 0
    for path in sorted((ROOT / "src/spoofscope/figures").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        asked: set[ast.AST] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                # The record of a figure has its caption, which is the same for all studies.
                if node.func.id in ("interval_words", "Figure"):
                    asked |= set(ast.walk(node))
                    found += node.func.id == "interval_words"
            elif isinstance(node, ast.Expr):
                asked.add(node.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and "95 % interval" in str(node.value):
                assert node in asked, f"{path.name}, line {node.lineno}: {node.value}"
    assert found > 15


def test_no_figure_has_letters_that_would_be_refused():
    """Also where no test draws it, so that no study ends with such an error."""
    sizes = {"fontsize", "title_fontsize", "labelsize"}
    found = []
    for path in sorted((ROOT / "src/spoofscope/figures").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in sizes:
                found.append((path.name, node.value))
            elif isinstance(node, ast.Dict):
                found += [
                    (path.name, value)
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value in sizes
                ]
    assert len(found) > 50
    for name, size in found:
        assert isinstance(size, ast.Constant), f"{name}: {ast.unparse(size)}"
        assert isinstance(size.value, int | float), f"{name}: {size.value}"
        assert size.value >= style._SMALLEST, f"{name}: {size.value}"


def test_fonts_are_those_that_have_the_characters(caplog):
    figure = style.new_figure(3.5, 3)
    figure.text(0, 0, "система système")
    assert style.fonts_for(figure) == ["DejaVu Sans"]
    assert not caplog.records
    figure.text(0, 0, "\U000e0fff")
    style.fonts_for(figure)
    assert "no installed font has" in caplog.text
    style.plt.close(figure)


def test_captions_have_the_names_that_figures_have():
    """The facts about a study below a figure of `snakemake --report`."""
    # As Snakemake reads it.
    rst = (ROOT / "workflow/report/exhibit.rst").read_text(encoding="utf-8")
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(rst)
    cfg = {
        "title": "Errors",
        "caption": "Of all.",
        "about": {"Systems": ["cnn", "gmm"], "Sets": ["la (eval)", "df (dev)"], "Bins": "3"},
        "names": {
            **{"systems": {"cnn": "Net *2*"}, "corpora": {"la": "ASVspoof 2019"}},
            **{"attacks": {}, "conditions": {}},
        },
    }
    text = template.render(snakemake=SimpleNamespace(params=SimpleNamespace(cfg=cfg)))
    assert "- Systems: Net \\*2\\*, ``gmm``\n" in text
    assert "- Sets: ASVspoof 2019 (eval), ``df (dev)``\n" in text
    assert "- Bins: ``3``\n" in text


def test_captions_of_audits_of_studies_with_and_without_copies():
    template = jinja2.Template((ROOT / "workflow/report/audit.rst").read_text(encoding="utf-8"))
    config = {"corpora": {"la": {"type": "asvspoof2019_la"}}}
    corpus = SimpleNamespace(wildcards=SimpleNamespace(corpus="la"), config=config)
    assert "Audit of the corpus** ``la`` (type ``asvspoof2019_la``)" in template.render(
        snakemake=corpus
    )
    copied = {**config, "augmented": {"la_field": {"corpus": "la", "chain": "field"}}}
    copy = SimpleNamespace(wildcards=SimpleNamespace(corpus="la_field"), config=copied)
    assert "Audit of the copy** ``la_field`` of the corpus ``la``" in template.render(
        snakemake=copy
    )


@pytest.mark.slow
def test_the_key_of_a_narrow_map_of_correlations_is_whole(tmp_path, monkeypatch):
    """Two explained detectors have a page of their own, whose one map is narrower than its key."""
    rows = [
        {
            **{"run": run, "seed": 1, "kind": kind, "measure": f"measure_{i:02}", "part": part},
            **{"group": "pooled", "rho": 0.1, "ci_low": 0.0, "ci_high": 0.2},
            **{"p": 0.5, "p_holm": 1.0, "p_bh": 0.5, "p_smallest": 0.01},
        }
        for run in ("a-0", "b-0")
        for kind, part, n in (("score", "score", 45), ("attribution", "signed", 6))
        for i in range(n)
    ]
    path = tmp_path / "correlations.tsv"
    write_table(path, pl.DataFrame(rows))
    sheets = []
    monkeypatch.setattr(artefact_correlations, "save", lambda figures, *_: sheets.extend(figures))
    systems = [{"id": r, "seed": 1, "name": r, "kind": "detector"} for r in ("a-0", "b-0")]
    monkeypatch.setattr(artefact_correlations, "read_checks", lambda path: path)
    monkeypatch.setattr(artefact_correlations, "of_controls", lambda checks: "fails")
    entry = {"trials": "c.eval", "table": str(path), "checks": "checks.tsv"}
    artefact_correlations.draw(systems, [entry], {})
    assert len(sheets) == 2
    for figure in sheets:
        style.settle(figure)
        label = figure.axes[-1].xaxis.label.get_window_extent()
        assert figure.bbox.x0 <= label.x0 < label.x1 <= figure.bbox.x1
        style.plt.close(figure)


def test_the_level_of_clips_without_a_condition_is_a_word():
    plain = DisplayNames({})
    assert plain.level("codec", "-") == "(none)"
    assert plain.level("codec+gender", "-+male") == "(none) + male"
    assert plain.of_column("level", "-", {"condition": "codec"}) == "(none)"
    assert plain.of_column("level", "-", {"condition": "pooled"}) == "-"
    assert DisplayNames({"levels": {"codec": {"-": "clean"}}}).level("codec", "-") == "clean"
