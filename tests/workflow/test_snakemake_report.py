"""`snakemake --report`: made offline, with every figure, table and page, captions and labels."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml
from checkout import TINY_STUDY, Checkout
from playwright.sync_api import sync_playwright

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FIGURES = {
    "artefact_correlations",
    "attribution_examples",
    "det_curves",
    "eer_by_condition",
    "layer_weights",
    "localisation",
    "score_histograms",
    "train_test_matrix",
}


def embedded(page: str, name: str):
    """What a report holds under that name."""
    found = re.search(rf'<script id="[\w-]+">\s*var {name} = (.*?);\s*</script>', page, re.DOTALL)
    assert found, name
    return json.loads(found[1])


@pytest.fixture(scope="module")
def study(mini, tmp_path_factory) -> Checkout:
    """A copy of the finished mini study with report.html and report.zip."""
    study = mini.copy(tmp_path_factory.mktemp("report") / "checkout")
    with pytest.MonkeyPatch.context() as patch:
        # Nothing can be reached through these.
        for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(variable, "http://127.0.0.1:9")
        for name in ("report.html", "report.zip"):
            done = study.snakemake("--report", name)
            assert done.returncode == 0, done.stdout[-6000:]
            assert "WARNING" not in done.stdout
            assert "Missing metadata" not in done.stdout
    return study


@pytest.fixture(scope="module")
def page(study) -> str:
    return (study.folder / "report.html").read_text()


@pytest.fixture(scope="module")
def shown(page) -> dict[str, dict]:
    """Results in the report by path below results/mini."""
    return {
        path.removeprefix("results/mini/"): entry
        for path, entry in embedded(page, "results").items()
    }


def test_everything_is_there(page, shown):
    figures = {f"figures/{name}.png" for name in FIGURES}
    tables = {"tables/headline.tsv", "tables/runs.tsv"}
    assert set(shown) == figures | tables | {"audits/mini.html", "report/index.html"}
    categories = {
        category: {path for paths in parts.values() for path in paths}
        for category, parts in embedded(page, "categories").items()
    }
    assert {category: len(paths) for category, paths in categories.items()} == {
        "Audits": 1,
        "Figures": len(FIGURES),
        "Report": 1,
        "Tables": 2,
    }
    for name in FIGURES:
        assert shown[f"figures/{name}.png"]["labels"] == {"figure": name.replace("_", " ")}
    assert shown["tables/headline.tsv"]["labels"] == {"table": "headline"}
    assert shown["audits/mini.html"]["labels"] == {"corpus": "mini"}
    assert all(entry["data_uri"].startswith("data:") for entry in shown.values())


def test_captions_speak_of_this_study(study, shown):
    config = yaml.safe_load((study.folder / "config/config.yaml").read_text())
    detectors = [*config["detectors"], *config["fusion"]]
    names = {
        "figures/det_curves.png": ["mini", "eval", *detectors],
        "figures/score_histograms.png": ["mini", "eval", *detectors],
        "figures/eer_by_condition.png": ["mini", *config["conditions"], "speaker"],
        "figures/train_test_matrix.png": [*detectors, "griffin_lim"],
        "figures/attribution_examples.png": [*config["attribution"]["detectors"], "centroid"],
        "figures/localisation.png": config["attribution"]["detectors"],
        "figures/layer_weights.png": ["wavlm_mhfa", "wav2vec2_aasist", *config["backbones"]],
        "figures/artefact_correlations.png": ["mini", "eval"],
        "tables/headline.tsv": ["mini", "dev, eval", *detectors],
        "tables/runs.tsv": [path.name for path in study.folder.glob("results/mini/detectors/*")],
        "audits/mini.html": ["mini"],
        "report/index.html": list(config["detectors"]),
    }
    assert set(names) == set(shown)
    for path, entry in shown.items():
        caption = entry["caption"]
        assert caption.startswith("<p><strong>"), path
        words = re.sub(r"<[^>]+>", "", caption)
        # Neither markup nor templates are left, and what was to be filled in was.
        assert not re.search(r"system-message|\*\*|``|[{}]|None|Undefined", caption), caption
        assert not re.search(r"\(\)|: [.,]|, [.,]", words), words
        assert [name for name in names[path] if name not in words] == [], words
    assert "lfcc_gmm" not in shown["figures/layer_weights.png"]["caption"]


def test_the_zip_holds_the_same(study, shown):
    with zipfile.ZipFile(study.folder / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
        for path, entry in embedded(page, "results").items():
            data = archive.read(f"report/{entry['data_uri']}")
            assert data == (study.folder / path).read_bytes(), path
            assert entry["caption"] == shown[path.removeprefix("results/mini/")]["caption"]
        assert len(embedded(page, "results")) == len(shown)


def test_in_a_browser(study, shown, tmp_path):
    """The menu leads to every result and to its caption; nothing is fetched."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((study.folder / "report.html").as_uri(), wait_until="load")
        assert page.get_by_text("Seven small detectors are trained").is_visible()
        for caveat in yaml.safe_load((study.folder / "config/config.yaml").read_text())["caveats"]:
            assert page.get_by_text(caveat).is_visible()
        page.get_by_text("Figures", exact=True).click()
        for name in sorted(FIGURES):
            row = page.locator("tr", has_text=name.replace("_", " "))
            row.locator("a").first.click()
            page.wait_for_function(
                "() => [...document.images].some(i => i.complete && i.naturalWidth > 300)"
            )
        page.screenshot(path=tmp_path / "figure.png")
        page.locator("tr", has_text="det curves").locator("a").last.click()
        assert page.get_by_text("Lower left is better").is_visible()
        page.screenshot(path=tmp_path / "caption.png")
        browser.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("data:", "file:", "blob:"))] == []
    assert len({url for url in asked if url.startswith("file:")}) == 1


def test_words_of_the_study_are_no_markup(tiny, tmp_path):
    """A title is shown as it is written, whatever it is."""
    study = tiny.copy(tmp_path / "checkout")
    title = "A *tiny* study_ of |all| `things` <b>& more</b> \\o/"
    study.write_study({**TINY_STUDY, "title": title, "caveats": ["First:\n  - not_ a list"]})
    done = study.snakemake("--report", "report.html", "--configfile", "study.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    text = embedded((study.folder / "report.html").read_text(), "workflow_desc")
    assert "system-message" not in text
    assert "A *tiny* study_ of |all| `things` &lt;b&gt;&amp; more&lt;/b&gt; \\o/" in text
    assert "<li>First: - not_ a list</li>" in text


def test_every_caption_belongs_to_something(study):
    """And every figure of the library has one."""
    captions = {path.stem for path in (study.folder / "workflow/report").glob("*.rst")}
    scripts = {path.stem for path in Path(study.folder / "workflow/scripts").glob("*.py")}
    made = {name.partition("_")[2] for name in scripts if name.startswith(("figure_", "table_"))}
    assert made == FIGURES | {"headline", "runs"}
    assert captions == made | {"audit", "report", "workflow"}
