"""`snakemake --report`: made offline, with every figure, table and page, captions and labels."""

import json
import re
import shutil
import zipfile

import pytest
import yaml
from checkout import NOT_IN_MINI, TINY_STUDY, Checkout
from playwright.sync_api import sync_playwright

from spoofscope import exhibits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# The mini study has no grid, and no two of its detectors differ in depth alone.
TABLES = {*exhibits.tables()} - NOT_IN_MINI
FIGURES = {*exhibits.figures()} - NOT_IN_MINI - {"layer_depth"}


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
    tables = {f"tables/{name}.tsv" for name in TABLES}
    audits = {"audits/mini.html", "audits/mini_field.html", "systems/mini.audit.html"}
    assert set(shown) == figures | tables | audits | {"report/index.html"}
    categories = {
        category: {path for paths in parts.values() for path in paths}
        for category, parts in embedded(page, "categories").items()
    }
    assert {category: len(paths) for category, paths in categories.items()} == {
        "Audits": 3,
        "Figures": len(FIGURES),
        "Report": 1,
        "Tables": len(TABLES),
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
        "figures/attribution_mean.png": ["probability of bona fide", "packets_dcnn", "zeros"],
        "figures/masking.png": ["mini", "eval", *config["masking"]["masks"], "speaker"],
        "figures/shortcuts.png": ["mini", "eval", *config["shortcuts"]["cues"], "speaker"],
        "figures/robustness.png": ["mini", "eval", *config["robustness"]["changes"], "speaker"],
        "figures/disagreements.png": ["packets_dcnn", "lfcc_gmm", "mini", "eval"],
        "figures/layer_weights.png": ["wavlm_mhfa", "wav2vec2_aasist", *config["backbones"]],
        "figures/layer_weight_map.png": ["wavlm_mhfa", "wav2vec2_aasist"],
        "figures/layer_probes.png": ["wavlm_states", "mini"],
        "figures/layer_probe_map.png": ["wavlm_states", *config["conditions"]],
        "figures/layer_pareto.png": config["layers"]["costs"]["detectors"],
        "figures/artefact_correlations.png": ["mini", "eval"],
        "figures/comparisons.png": ["speaker", "Holm"],
        "figures/consensus.png": ["speaker", "diamond"],
        "figures/fusion_value.png": ["speaker", "Holm"],
        "figures/generator_matrix.png": ["mini", "eval"],
        "figures/fingerprint_means.png": ["mini", "haar", "level 9"],
        "figures/fingerprint_differences.png": ["mini", "base_utt"],
        "figures/scalograms.png": ["mini", "the first 1 s", "base_utt"],
        "figures/reliability.png": [str(config["reliability"]["bins"]), "0.5"],
        "tables/breakdowns.tsv": config["conditions"],
        "tables/generator_matrix.tsv": ["mini", "eval"],
        "tables/headline.tsv": ["mini (dev)", "mini (eval)", *detectors],
        "tables/runs.tsv": [
            path.name
            for kind in ("detectors", "tracers")
            for path in study.folder.glob(f"results/mini/{kind}/*")
        ],
        "audits/mini.html": ["mini"],
        "audits/mini_field.html": ["mini_field", "field"],
        "report/index.html": list(config["detectors"]),
    }
    assert set(names) <= set(shown)
    for path, entry in shown.items():
        caption = entry["caption"]
        assert caption.startswith("<p><strong>"), path
        words = re.sub(r"<[^>]+>", "", caption)
        # Neither markup nor templates are left, and what was to be filled in was.
        assert not re.search(r"system-message|\*\*|``|[{}]|None|Undefined", caption), caption
        assert not re.search(r"\(\)|: [.,]|, [.,]", words), words
        assert [name for name in names.get(path, []) if name not in words] == [], words
    assert "lfcc_gmm" not in shown["figures/layer_weights.png"]["caption"]


def test_the_zip_holds_the_same(study, shown):
    with zipfile.ZipFile(study.folder / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
        for path, entry in embedded(page, "results").items():
            data = archive.read(f"report/{entry['data_uri']}")
            assert data == (study.folder / path).read_bytes(), path
            assert entry["caption"] == shown[path.removeprefix("results/mini/")]["caption"]
        assert len(embedded(page, "results")) == len(shown)


@pytest.fixture
def browser():
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


def category(page, name: str) -> None:
    """Choose a category in the menu of the report's first view."""
    page.locator("ul").get_by_text(name, exact=True).click()


def test_in_a_browser(study, browser):
    """The menu leads to every result and to its caption; nothing is fetched."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((study.folder / "report.html").as_uri(), wait_until="load")
    config = yaml.safe_load((study.folder / "config/config.yaml").read_text())
    assert page.get_by_text(config["description"].split(" on ")[0]).is_visible()
    for caveat in config["caveats"]:
        assert page.get_by_text(caveat).is_visible()
    category(page, "Figures")
    pictures = set()
    # Every one has its entry, see above; each takes half a second to open.
    opened = sorted(FIGURES)[::4]
    for name in opened:
        page.locator("tr", has_text=name.replace("_", " ")).locator("a").first.click()
        picture = page.locator("img[src^='data:image/png']")
        picture.wait_for()
        page.wait_for_function("() => [...document.images].every(image => image.complete)")
        assert picture.evaluate("image => image.naturalWidth") > 300
        pictures.add(picture.get_attribute("src"))
    assert len(pictures) == len(opened)
    page.locator("tr", has_text="det curves").locator("a").last.click()
    assert page.locator("p", has_text="Lower left is better").is_visible()
    page.reload()
    category(page, "Audits")
    page.locator("tr", has_text="mini").locator("a").first.click()
    page.frame_locator("iframe").locator("table").first.wait_for()
    assert errors == []
    assert [url for url in asked if not url.startswith(("data:", "file:", "blob:"))] == []
    assert len({url for url in asked if url.startswith("file:")}) == 1


def test_the_report_page_in_a_browser(study, browser, tmp_path):
    with zipfile.ZipFile(study.folder / "report.zip") as archive:
        archive.extractall(tmp_path)
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto((tmp_path / "report/report.html").as_uri(), wait_until="load")
    category(page, "Report")
    page.locator("tr", has_text="the whole study").locator("a").first.click()
    inner = page.frame_locator("iframe")
    inner.get_by_role("heading", name="The mini study").wait_for()
    assert inner.locator("figure").count() == len(FIGURES)


def test_words_of_the_study_are_no_markup(tiny, tmp_path):
    """A title is shown as it is written, whatever it is."""
    study = tiny.copy(tmp_path / "checkout")
    title = "A *tiny* study_ of |all| `things` <b>& more</b> \\o/ </script><script>x()"
    study.write_study({**TINY_STUDY, "title": title, "caveats": ["First:\n  - not_ a list"]})
    done = study.snakemake("--report", "report.html", "--configfile", "study.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    page = (study.folder / "report.html").read_text()
    assert "<script>x()" not in page
    text = embedded(page, "workflow_desc")
    # The title is a parameter of the page about the whole study as well.
    embedded(page, "results")
    assert "system-message" not in text
    assert (
        "A *tiny* study_ of |all| `things` &lt;b&gt;&amp; more&lt;/b&gt; \\o/ &lt;/script" in text
    )
    assert "<li>First: - not_ a list</li>" in text
