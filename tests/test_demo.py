"""`spoofscope demo` in a real browser: judging, refusing, downloading, and asking nobody else."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
import torch
from playwright.sync_api import expect, sync_playwright

from calibrations import calibration_of
from made_tracers import make_tracer, sound
from spoofscope import audio
from spoofscope.apps.views import batch_html, batch_table, verdict
from spoofscope.cli import main
from spoofscope.detector import Detector
from spoofscope.files import sha256_file, write_text
from spoofscope.quality import FLAGS
from spoofscope.selection.calibration import probability_text
from spoofscope.windows import InputPolicy

pytestmark = pytest.mark.slow

ORIGIN = {"sha256": "ab" * 32, "time": "2026-01-01 00:00:00 UTC"}
HOSTILE = "<img src=x onerror=alert(1)>"


class Served(NamedTuple):
    url: str
    folder: Path
    process: subprocess.Popen


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A page with a small untrained detector, as a process of its own."""
    folder = tmp_path_factory.mktemp("demo")
    torch.manual_seed(0)
    detector = Detector(
        {"type": "lfcc"},
        {"type": "linear"},
        InputPolicy(length=8000),
        {"threshold": 0.0, "trained_on": [trained_on()]},
        calibration_of(band=0.0),
    )
    detector.save(folder / "results/own/detectors/lfcc-0/seed1")
    make_tracer(folder / "tracer", hostile=HOSTILE)
    audio.write(folder / "attack.wav", sound("B", 300), 16000)
    write_text(
        folder / "results/own/tables/headline.tsv",
        f"name\tcorpus\tsplit\teer\neer{HOSTILE}\tmine\teval\t0.125\n",
    )
    rng = np.random.default_rng(0)
    for i in range(2):
        audio.write(folder / f"clip{i}.wav", 0.1 * rng.standard_normal(20000), 16000)
    audio.write(folder / "silence.wav", np.zeros(35 * 16000), 16000)
    (folder / "text.wav").write_text("no audio at all " * 50)
    (folder / "text.txt").write_text("no audio at all")
    temporary = folder / "tmp"
    temporary.mkdir()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "spoofscope.cli", "demo", "--port", "0"),
            *("--detector", "results/own/detectors/lfcc-0/seed1", "--study", "results/own"),
            *("--tracer", "tracer"),
        ],
        cwd=folder,
        env={
            **{"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        yield Served(found[0], folder, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0
    assert list(temporary.iterdir()) == []


def trained_on():
    return {"manifest": HOSTILE, "split": "train", "n_bonafide": 1, "n_spoof": 1}


@pytest.fixture(scope="module")
def page(served):
    """The page, opened once; at the end, nobody else was asked for anything."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had as root.
        arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        page = browser.new_page(
            viewport={"width": 1100, "height": 1400}, permissions=["microphone"]
        )
        page.set_default_timeout(180_000)
        expect.set_options(timeout=180_000)
        requests, errors, dialogs = [], [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(served.url)
        yield page
        own = (served.url, "data:", "blob:")
        assert [url for url in requests if not url.startswith(own)] == []
        assert any("gradio_api" in url for url in requests)
        assert (errors, dialogs) == ([], [])
        browser.close()


def choose(page, path, where="#recording"):
    """Upload a recording, in place of the one before."""
    clear = page.locator(f"{where} button[aria-label=Clear]")
    if clear.count():
        clear.click()
    page.locator(f"{where} input[type=file]").set_input_files(path)
    expect(clear).to_be_visible()


def test_a_clip_is_judged(served, page):
    choose(page, served.folder / "clip0.wav")
    page.locator("#judge").click()
    expected = Detector.load(served.folder / "results/own/detectors/lfcc-0/seed1").predict(
        served.folder / "clip0.wav"
    )
    verdict = page.locator("#verdict .verdict")
    title = {"bonafide": "Bona fide", "spoof": "Spoof"}[expected["decision"]]
    expect(verdict.locator("h2")).to_have_text(title)
    expect(verdict).to_contain_text(probability_text(expected["p_bonafide"], calibration_of()))
    expect(verdict).to_contain_text(f"{expected['llr']:+.2f}")
    expect(verdict).to_contain_text("like the training data is not known")
    expect(verdict.locator(".doubt")).to_contain_text("This detector is not validated here")
    for picture in ("#timeline img", "#picture img"):
        page.locator(picture).wait_for()
        assert page.locator(picture).evaluate("image => image.naturalWidth") > 500
    expect(page.locator("#picture")).to_contain_text("Integrated Gradients")
    expect(verdict).to_contain_text(sha256_file(served.folder / "clip0.wav"))
    expect(verdict).to_contain_text(f"detector {expected['detector']}, spoofscope")
    windows = page.locator("#timeline .windows button")
    expect(windows).to_have_count(expected["n_windows"])
    # The windows are over the picture, also where the page is wider.
    width = "element => element.getBoundingClientRect().width"
    page.set_viewport_size({"width": 1600, "height": 1400})
    shown = page.locator("#timeline img").evaluate(width)
    assert page.locator("#timeline .windows").evaluate(width) == pytest.approx(shown, abs=1)
    page.set_viewport_size({"width": 1100, "height": 1400})
    windows.nth(1).click()
    sound = page.locator("#timeline audio").evaluate_handle("sound => sound")
    page.wait_for_function("sound => sound.paused && sound.currentTime >= 1", arg=sound)
    # A window of half a second, that begins after half a second.
    assert sound.evaluate("sound => sound.currentTime") == pytest.approx(1.0, abs=0.4)


def test_a_passage_is_explained(page):
    page.locator("#start input").fill("0.6")
    page.locator("#judge").click()
    expect(page.locator("#picture")).to_contain_text("Only 0.50 to 1.25 s are explained")
    page.locator("#start input").fill("9")
    page.locator("#judge").click()
    expect(page.locator("#picture .problem")).to_contain_text("no passage of it begins at 9 s")
    expect(page.locator("#verdict .verdict")).to_contain_text("Score")
    page.locator("#start input").fill("0")


def test_a_case_report_is_downloaded(served, page, tmp_path):
    page.get_by_text("Case report").click()
    page.locator("#report").click()
    expect(page.locator("#reported .problem")).to_contain_text("write what was asked")
    page.locator("#question textarea").fill(HOSTILE)
    page.locator("#report").click()
    expect(page.locator("#reported .verdict")).to_contain_text("is not validated here")
    for kind, begins in (("html", b"<!doctype html>"), ("pdf", b"%PDF")):
        with page.expect_download() as download:
            page.locator(f"#case-{kind}").click()
        assert download.value.suggested_filename == f"case.{kind}"
        content = Path(download.value.path()).read_bytes()
        assert content.startswith(begins)
        assert str(served.folder).encode() not in content
        assert HOSTILE.encode() not in content


def test_a_visitor_can_stop(page):
    page.locator("#stop").click()
    expect(page.locator("#verdict .problem")).to_have_text("Stopped.")


def test_no_verdict_stays_for_another_recording(served, page):
    asked = []
    page.route("**/queue/join*", lambda request: asked.append(request.request.post_data))
    choose(page, served.folder / "silence.wav")
    expect(page.locator("#verdict .verdict")).to_have_count(0)
    # By the browser: an answer of a busy server could take the next verdict away.
    assert asked == []
    page.unroute("**/queue/join*")
    page.locator("#judge").click()
    verdict = page.locator("#verdict .verdict")
    expect(verdict.locator("h2")).to_have_text("Inconclusive")
    expect(verdict).to_contain_text("Because less than 0.25 s of the recording is audible.")
    # Every window can be heard, however long the recording.
    page.locator("#timeline .windows button").last.click()
    sound = page.locator("#timeline audio").evaluate_handle("sound => sound")
    page.wait_for_function("sound => sound.currentTime >= 34.5", arg=sound)
    assert sound.evaluate("sound => sound.duration") == pytest.approx(35, abs=0.01)


def test_the_microphone_is_judged(page):
    page.locator("#recording button[aria-label=Clear]").click()
    page.locator("#recording").get_by_role("button", name="Record audio").click()
    page.locator("#recording").get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1500)
    page.locator("#recording").get_by_role("button", name="Stop").first.click()
    # When the server has the recording.
    link = page.locator("#recording").get_by_role("link", name="Download")
    expect(link).to_have_attribute("href", re.compile("gradio_api/file"))
    page.locator("#judge").click()
    expect(page.locator("#verdict .verdict")).to_contain_text("in ")
    expect(page.locator("#verdict .problem")).to_have_count(0)
    page.locator("#recording button[aria-label='Upload file']").click()


def test_text_is_refused_in_a_sentence(served, page):
    choose(page, served.folder / "text.wav")
    problem = page.locator("#verdict .problem")
    page.locator("#judge").click()
    # The answer is quick: where the page clears what it says of the recording before only then, a
    # person asks again.
    with suppress(AssertionError):
        expect(problem).to_contain_text("text.wav", timeout=20_000)
    if not problem.count():
        page.locator("#judge").click()
    expect(problem).to_contain_text("text.wav: cannot be decoded")
    assert str(served.folder) not in problem.inner_text()
    assert "Traceback" not in page.inner_text("body")


def test_several_files_become_a_table_to_download(served, page):
    page.get_by_role("tab", name="Several files").click()
    names = ["clip0.wav", "text.txt", "clip1.wav"]
    page.locator("#files input[type=file]").set_input_files(
        [served.folder / name for name in names]
    )
    # The link beside the size: it is there when the file is.
    expect(page.locator("#files")).to_contain_text(re.compile(r"clip1\s*\.wav.*⇣"))
    page.locator("#judge-all").click()
    expect(page.locator("#table tbody tr")).to_have_count(3)
    table = page.locator("#table")
    for name in names:
        done = "tried" if name == "text.txt" else "judged"
        expect(table).to_contain_text(f"SHA-256 {sha256_file(served.folder / name)}, {done} 20")
    identity = Detector.load(served.folder / "results/own/detectors/lfcc-0/seed1").identity
    expect(table).to_contain_text(f"By detector {identity}, spoofscope")
    expect(table.locator(".doubt")).to_contain_text("This detector is not validated here")
    expect(page.locator("#download")).to_be_enabled()
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "judgements.tsv"
    table = pl.read_csv(download.value.path(), separator="\t")
    assert table["file"].to_list() == names
    assert table["error"].is_null().to_list() == [True, False, True]
    assert table["sha256"].to_list() == [sha256_file(served.folder / name) for name in names]
    expect(page.locator("#table tbody tr").nth(1)).to_contain_text("Not judged: text.txt")
    with page.expect_download() as download:
        page.locator("#download-json").click()
    numbers = json.loads(Path(download.value.path()).read_text())
    assert [entry["path"] for entry in numbers] == names
    assert [entry["detector"] for entry in numbers] == [identity] * 3
    assert table["detector"].to_list() == [identity] * 3
    detector = Detector.load(served.folder / "results/own/detectors/lfcc-0/seed1")
    for row in (0, 2):
        score = detector.predict(served.folder / names[row])["score"]
        assert table["score"][row] == pytest.approx(score, abs=1e-5)


def test_files_of_others_are_shown_as_text(served, page, tmp_path):
    page.get_by_role("tab", name="Model card").click()
    expect(page.locator("#card")).to_contain_text(HOSTILE)
    page.get_by_role("tab", name="Performance").click()
    performance = page.locator("#performance")
    expect(performance).to_contain_text("study own")
    expect(performance).to_contain_text("is one of its own")
    expect(performance.locator("tbody")).to_contain_text(f"eer{HOSTILE}")
    expect(performance.locator("tbody")).to_contain_text("12.5")


def test_an_attack_is_named_and_clips_like_it_can_be_played(served, page):
    page.get_by_role("tab", name="Trace").click()
    choose(page, served.folder / "attack.wav", "#traced")
    # This tracer was trained on spoofs alone.
    expect(page.locator("#detector-first input")).to_be_checked()
    page.locator("#trace").click()
    expect(page.locator("#origin .verdict")).to_contain_text("The detector was asked first")
    page.locator("#detector-first input").uncheck()
    page.locator("#trace").click()
    origin = page.locator("#origin .verdict")
    expect(origin.locator("h2")).to_have_text("Made by B")
    expect(origin.locator("ol li").first).to_have_text("B: at least 24 in 25")
    expect(origin.locator("ul li").first).to_contain_text(f"{HOSTILE}B")
    expect(origin).to_contain_text("trained on spoofs alone")
    assert str(served.folder) not in origin.inner_html()
    expect(origin.locator("audio")).to_have_count(5)
    player = origin.locator("audio").first
    player.scroll_into_view_if_needed()
    page.wait_for_function("player => player.duration > 0", arg=player.element_handle())
    assert player.evaluate("player => player.duration") == pytest.approx(1.0, abs=0.01)
    # On a phone, too, players end where the text does.
    page.set_viewport_size({"width": 390, "height": 1400})
    right = "element => element.getBoundingClientRect().right"
    assert player.evaluate(right) <= origin.evaluate(right)
    page.set_viewport_size({"width": 1100, "height": 1400})
    choose(page, served.folder / "silence.wav", "#traced")
    expect(origin).to_have_count(0)
    page.locator("#trace").click()
    expect(origin.locator("h2")).to_have_text("Inconclusive")
    expect(origin.locator("audio")).to_have_count(0)


def test_a_system_is_enrolled_by_references(served, page):
    choose(page, served.folder / "clip0.wav", "#traced")
    page.get_by_text("A system that the tracer does not know").click()
    page.locator("#enrolled-name textarea").fill(f"new{HOSTILE}")
    page.locator("#trace").click()
    expect(page.locator("#origin .problem")).to_contain_text("give both, or neither")
    page.locator("#references input[type=file]").set_input_files(served.folder / "clip1.wav")
    expect(page.locator("#references")).to_contain_text(re.compile(r"clip1\s*\.wav.*⇣"))
    page.locator("#trace").click()
    origin = page.locator("#origin .verdict")
    expect(origin).to_contain_text(f"new{HOSTILE} (1 reference): cosine")
    expect(origin).to_contain_text("no likelihood ratio without --calibration")


def status(url: str, host: str | None = None) -> int:
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_only_the_page_is_served(served):
    assert status(served.url) == 200
    assert status(served.url, "127.0.0.1.example.org") == 400
    detector = served.folder / "results/own/detectors/lfcc-0/seed1/detector.json"
    assert json.loads(detector.read_text())["format"] == 2
    for path in (detector, served.folder / "clip0.wav", Path("/etc/hostname")):
        assert status(f"{served.url}/gradio_api/file={path}") == 403


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--study", "nowhere"), "nowhere holds neither"),
        (("--port", "99999"), "cannot listen on 127.0.0.1, port 99999"),
        (("--detector", "nothing"), "nothing is no detector folder"),
        (("--tracer", "results/own/detectors/lfcc-0/seed1"), "is the folder of a detector"),
    ],
)
def test_a_page_that_cannot_be_served_is_refused(served, arguments, message, monkeypatch, capsys):
    monkeypatch.chdir(served.folder)
    given = {"--detector": "results/own/detectors/lfcc-0/seed1", "--port": "0"}
    given |= dict([arguments])
    assert main(["demo", *(word for pair in given.items() for word in pair)]) == 2
    refusal = capsys.readouterr().err
    assert message in refusal
    assert refusal.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["=cmd|' C calc'!A0.wav", "+1.wav", "-rf.wav", "@x.wav", "\t=x.wav"]
)
def test_a_name_is_no_formula(name):
    table = batch_table([failed(f"/uploads/{name}", name)], [ORIGIN])
    assert table["file"][0] == f"./{name.strip()}"
    assert table["error"][0].startswith("./")
    plain = batch_table([failed("a=b.wav", "a=b.wav")], [ORIGIN])
    assert plain.select("file", "error").row(0) == ("a=b.wav", "a=b.wav: no audio")
    assert plain.select("detector", "spoofscope").row(0) == ("0123456789ab", "1.0")
    assert "By detector 0123456789ab, spoofscope 1.0." in batch_html(
        [failed("a.wav", "a.wav")], [ORIGIN], None
    )


def failed(path, name):
    return {
        **{"path": path, "error": f"{name}: no audio"},
        **{"detector": "0123456789ab", "spoofscope": "1.0"},
    }


@pytest.mark.parametrize(
    ("llr", "said"),
    [
        (-math.log(48), "at most 1 in 49"),
        (math.log(0.1), "0.09"),
        (0.0, "0.50"),
        (math.log(48), "at least 48 in 49"),
    ],
)
def test_no_probability_is_shown_as_certain(llr, said):
    shown = verdict(judgement(llr), ORIGIN)
    assert f"<b>{said}</b>" in shown
    assert "48 bona fide and 48 spoof development clips support likelihood ratios" in shown
    assert f"{llr:+.2f}" in shown
    assert "0.000" not in shown
    assert "0.1 %" not in shown
    cells = batch_table([judgement(llr)], [ORIGIN]).row(0, named=True)
    assert cells["p_bonafide"] == said


def test_a_recording_of_another_kind_gets_its_reason_first():
    foreign = judgement(None) | {"reasons": [FLAGS["out_of_distribution"]]}
    foreign["flags"]["out_of_distribution"] = True
    shown = verdict(foreign, ORIGIN)
    first = shown.index("unlike those of the training")
    assert shown.index("Inconclusive") < first < shown.index("Score")
    assert "No likelihood ratio" in shown
    assert "robability" not in shown
    cells = batch_table([foreign], [ORIGIN]).row(0, named=True)
    assert (cells["llr"], cells["log10_llr"], cells["p_bonafide"]) == ("", "", "")


def judgement(llr):
    return {
        "path": "a.wav",
        "decision": "inconclusive",
        "reasons": [],
        "flags": dict.fromkeys(FLAGS, False),
        "score": 1.5,
        "llr": llr,
        "log10_llr": None if llr is None else llr / math.log(10),
        "p_bonafide": None if llr is None else 1 / (1 + math.exp(-llr)),
        "calibration": calibration_of(),
        "validation": None,
        "duration_s": 1.0,
        "n_windows": 1,
        "window_scores": [0.0],
        "detector": "0" * 12,
        "spoofscope": "0.1.0",
    }
