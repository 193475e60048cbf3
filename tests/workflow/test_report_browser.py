"""The report and the provenance page in a real browser, on a wide and on a narrow screen."""

import shutil

import polars as pl
import pytest
import yaml
from playwright.sync_api import sync_playwright

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

PAGES = {
    "report": "results/mini/report/index.html",
    "provenance": "results/mini/ro-crate-preview.html",
    "audit": "results/mini/audits/mini.html",
}


@pytest.fixture(scope="module")
def browser():
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had as root.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(mini, browser):
    """Open a page of the mini study: the page, what its console said, what it asked for."""
    contexts = []

    def open_page(name: str, width: int):
        context = browser.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        messages: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto((mini.folder / PAGES[name]).as_uri(), wait_until="load")
        return page, messages, requests

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole(opened, name, width):
    page, messages, requests = opened(name, width)
    assert messages == []
    assert [url for url in requests if not url.startswith(("file://", "data:"))] == []
    # One file: nothing but the page itself is read from the disk.
    assert len([url for url in requests if url.startswith("file://")]) == 1
    widths = page.eval_on_selector_all("img", "images => images.map(i => i.naturalWidth)")
    assert all(width > 0 for width in widths)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "None" not in page.inner_text("body").split()
    assert "nan" not in page.inner_text("body").split()


def test_links_lead_somewhere(mini, opened):
    for name, place in PAGES.items():
        page, _, _ = opened(name, 1280)
        folder = (mini.folder / place).parent
        ids = page.eval_on_selector_all("[id]", "elements => elements.map(each => each.id)")
        assert sorted(set(ids)) == sorted(ids)
        for target in page.eval_on_selector_all(
            "a", "links => links.map(a => a.getAttribute('href'))"
        ):
            if target.startswith("#"):
                assert page.query_selector(target) is not None, target
            elif not target.startswith("http"):
                assert (folder / target).resolve().is_file(), target


def test_report_has_every_number_and_figure(mini, opened):
    config = yaml.safe_load((mini.folder / "config/config.yaml").read_text())
    page, _, _ = opened("report", 1280)
    headline = pl.read_csv(mini.folder / "results/mini/tables/headline.tsv", separator="\t")
    rows = page.eval_on_selector_all(
        "#headline tbody tr, #headline-dev tbody tr",
        "rows => rows.map(r => [...r.cells].map(c => c.innerText))",
    )
    assert len(rows) == headline.height
    assert page.locator("#tracers tbody tr").count() == 1
    for name in [*config["detectors"], *config["fusion"]]:
        assert sum(row[0].split("\n")[0] == name for row in rows) == 2, name
    for row, numbers in zip(rows, headline.iter_rows(named=True), strict=True):
        shown = float(row[2].split()[0])
        assert shown == pytest.approx(100 * numbers["eer"], abs=0.051)
    drawn = (mini.folder / "results/mini/figures").glob("*.png")
    figures = {f"figure-{path.stem}" for path in drawn}
    shown = set(page.eval_on_selector_all("figure", "figures => figures.map(f => f.id)"))
    assert shown == figures
    for caveat in config["caveats"]:
        assert page.get_by_text(caveat).is_visible()


def test_clips_can_be_played(opened):
    page, _, _ = opened("report", 1280)
    players = page.locator("audio")
    assert players.count() >= 4
    page.wait_for_function("[...document.querySelectorAll('audio')].every(a => a.readyState >= 1)")
    seconds = players.evaluate_all("players => players.map(player => player.duration)")
    assert all(0.1 < duration <= 4.01 for duration in seconds)


def test_figures_open_in_full_size(opened):
    page, messages, _ = opened("report", 390)
    picture = page.locator("figure img").first
    natural = picture.evaluate("image => image.naturalWidth")
    assert picture.bounding_box()["width"] < natural
    for open_it, close_it in (
        (picture.click, page.locator("dialog.full").click),
        (lambda: picture.press("Enter"), lambda: page.keyboard.press("Escape")),
    ):
        open_it()
        assert page.locator("dialog.full img").bounding_box()["width"] == natural
        close_it()
        assert not page.locator("dialog.full").is_visible()
    assert messages == []


def test_a_click_on_a_heading_sorts_its_table(opened):
    page, _, _ = opened("report", 1280)
    head = page.locator("#headline th", has_text="EER %").first

    def rates() -> list[float]:
        cells = page.locator("#headline tbody tr td:nth-child(3)").all_inner_texts()
        return [float(text.split()[0]) for text in cells]

    before = rates()
    head.click()
    assert rates() == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    head.press("Enter")
    assert rates() == sorted(before, reverse=True)
