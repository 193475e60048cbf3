"""`spoofscope label` in a real browser: what was answered is there again, whatever happens."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Error, expect, sync_playwright
from safetensors.numpy import save_file

from annotation_packs import DETECTORS, clip, detector, make_pack
from label_servers import started
from spoofscope import audio
from spoofscope.labelling.pack import AUDIO, CLIPS, EVIDENCE, Pack, key_of, write_pack
from spoofscope.labelling.store import Store, newest
from spoofscope.tables import write_table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had as root.
        opened = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        expect.set_options(timeout=20_000)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    """Opens the page as another person would, in a profile of its own; nobody else is asked."""
    requests, errors, dialogs, contexts = [], [], [], []

    def opened(url):
        context = browser.new_context(viewport={"width": 1100, "height": 1000})
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    own = ("http://127.0.0.1:", "data:", "blob:")
    assert [url for url in requests if not url.startswith(own)] == []
    assert (errors, dialogs) == ([], [])


@pytest.fixture
def pack(tmp_path):
    return make_pack(tmp_path / "annotation")


def enter(page, name):
    page.get_by_label("New annotator").fill(name)
    page.get_by_role("button", name="Begin").click()
    ready(page)


def ready(page, than=""):
    """Wait for another clip than one; its key."""
    page.wait_for_function(
        "than => { const key = document.querySelector('#work').dataset.ready;"
        " return key && key !== than }",
        arg=than,
    )
    return page.locator("#work").get_attribute("data-ready")


def saved(page):
    expect(page.locator("#saved")).to_have_text("Saved")


def drag(page, canvas, start, end):
    """Drag over a plot, from one share of its width to another, which may be outside."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    height = box["y"] + box["height"] * 0.7
    page.mouse.move(box["x"] + start * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + (start + end) / 2 * box["width"], height)
    page.mouse.move(box["x"] + end * box["width"], height)
    page.mouse.up()


def block(page, place):
    return page.locator(f'.block[data-place="{place}"]')


def choose(answer):
    """Choose an answer; where the page moves under the pointer, click again, as a person does."""
    with contextlib.suppress(Error):
        answer.check()
        return
    answer.check()


def radio(page, place, field, value):
    return block(page, place).locator(f".{field} input[value='{json.dumps(value)}']")


def answers(folder):
    history = history_of(folder / "labels.sqlite")
    return {question: answer.value for question, answer in newest(history).items()}


def history_of(path):
    store = Store(path)
    try:
        return store.history()
    finally:
        store.close()


def test_a_label_survives_a_killed_server(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        enter(page, "Ann")
        port = int(server.url.rpartition(":")[2])
        drag(page, block(page, 0).locator("canvas"), 0.4, 0.6)
        choose(radio(page, 0, "cue", "breath"))
        saved(page)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(30)
        # Nobody answers: what is said now is kept in the browser.
        choose(radio(page, 0, "audible", False))
        page.locator("#general").fill("said to nobody")
        expect(page.locator("#saved")).to_contain_text(
            "2 not saved yet: the server does not answer"
        )
    with started(pack.folder, port=port):
        saved(page)
        page.reload()
        key = ready(page)
        expect(radio(page, 0, "cue", "breath")).to_be_checked()
        expect(radio(page, 0, "audible", False)).to_be_checked()
        expect(page.locator("#general")).to_have_value("said to nobody")
        start, end = (
            float(block(page, 0).get_by_label(f"{bound} of region 1").input_value())
            for bound in ("start", "end")
        )
        assert (start, end) == pytest.approx((0.4, 0.6), abs=0.01)
        # The question nobody touched has no answer.
        assert block(page, 0).locator(".locality input:checked").count() == 0
    given = answers(pack.folder)
    assert {field for *_, field in given} == {"regions", "cue", "audible", "general"}
    assert {utt_id for _, utt_id, _, _ in given} == {pack.clips[key].utt_id}


def test_two_people_at_once(pack, visit):
    with started(pack.folder) as server:
        pages = {name: visit(server.url) for name in ("Ann", "Zoë O'Neill")}
        keys = {}
        for name, page in pages.items():
            enter(page, name)
        for i in range(len(pack.clips)):
            for name, page in pages.items():
                keys[name, i] = page.locator("#work").get_attribute("data-ready")
                page.locator("#general").fill(f"{name} on {keys[name, i]}")
                choose(radio(page, 1, "cue", "noise"))
            for name, page in pages.items():
                saved(page)
                if i + 1 < len(pack.clips):
                    page.locator("#next").click()
                    ready(page, keys[name, i])
        for name, page in pages.items():
            assert {keys[name, i] for i in range(len(pack.clips))} == set(pack.clips)
            expect(page.locator("#progress")).to_contain_text("0 done")
    given = answers(pack.folder)
    for name in pages:
        for key, clip_ in pack.clips.items():
            assert given[name, clip_.utt_id, "-", "general"] == f"{name} on {key}"
    assert len(given) == 2 * 2 * len(pack.clips)


def test_by_keyboard_alone(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        press = page.keyboard.press
        # Past the buttons of the header, to the name.
        for _ in range(12):
            if page.evaluate("document.activeElement.id") == "name":
                break
            press("Tab")
        page.keyboard.type("Ann")
        press("Enter")
        key = ready(page)
        press("?")
        expect(page.locator("#keys")).to_be_visible()
        press("Escape")
        press("g")
        page.keyboard.type("a dull voice 1 2 3")
        press("Escape")
        for _ in range(2):
            press("Shift+ArrowRight")
        press("[")
        for _ in range(3):
            press("Shift+ArrowRight")
        press("]")
        press("1")
        press("Shift+4")
        press("y")
        press("e")
        press("0")
        press("8")
        press("x")
        press("c")
        page.keyboard.type("nothing at all")
        press("Escape")
        press("d")
        expect(page.locator("#problem")).to_have_text("Not answered yet: the comparison.")
        press("v")
        page.keyboard.type("one sees more")
        press("Escape")
        press("d")
        expect(page.locator("#state")).to_have_text("Done.")
        saved(page)
        press("n")
        second = ready(page, key)
        press("s")
        expect(page.locator("#state")).to_have_text("Skipped.")
        saved(page)
        expect(page.locator("#progress")).to_have_text("1 done, 1 skipped, 3 clips")
        press("p")
        assert ready(page, second) == key
        # A needed answer is taken back, so the clip is not done.
        press("Delete")
        expect(page.locator("#state")).to_have_text("")
        press("i")
        press("Shift+ArrowRight")
        press("o")
        saved(page)
    by_key = {clip_.key: clip_.utt_id for clip_ in pack.clips.values()}
    given = {(f, v) for (_, u, d, f), v in freeze(answers(pack.folder)) if u == by_key[key]}
    assert ("general", "a dull voice 1 2 3") in given
    assert {("cue", "glitch"), ("locality", 4), ("audible", True)} <= given
    assert {("cue", "unclear"), ("audible", False), ("regions", "[]")} <= given
    assert ("comment", "nothing at all") in given
    (region,) = (json.loads(v)[0] for f, v in given if f == "regions" and v != "[]")
    assert region["end"] - region["start"] == pytest.approx(0.1, abs=1e-3)
    history = history_of(pack.folder / "labels.sqlite")
    first = next(a.value[0] for a in history if a.field == "regions" and a.value)
    assert (first["start"], first["end"]) == pytest.approx((0.2, 0.5), abs=1e-3)
    assert "done" not in {v for f, v in given if f == "state"}


def freeze(given):
    return [
        (question, json.dumps(value) if isinstance(value, list) else value)
        for question, value in given.items()
    ]


def test_regions_by_dragging_are_inside_the_clip_and_can_be_changed(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        enter(page, "Ann")
        canvas = block(page, 1).locator("canvas")
        drag(page, canvas, 0.9, 1.3)
        drag(page, canvas, 0.3, 0.1)
        rows = block(page, 1).locator(".regions li")
        expect(rows).to_have_count(2)
        block(page, 1).get_by_label("cue of region 2").select_option("silence")
        block(page, 1).get_by_label("end of region 1").fill("0.35")
        block(page, 1).get_by_label("end of region 1").press("Tab")
        saved(page)
        # Over the waveform: of the explanation that was last looked at.
        wave = page.locator("#waveform")
        wave.scroll_into_view_if_needed()
        box = wave.bounding_box()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40)
        page.mouse.down()
        for share in (0.52, 0.55, 0.6):
            page.mouse.move(box["x"] + share * box["width"], box["y"] + 40)
        page.mouse.up()
        expect(rows).to_have_count(3)
        rows.nth(1).get_by_role("button", name="Remove").click()
        expect(rows).to_have_count(2)
        saved(page)
        page.reload()
        ready(page)
        expect(block(page, 1).locator(".regions li")).to_have_count(2)
        block(page, 1).locator(".regions li button", has_text="Remove").first.click()
        block(page, 1).locator(".regions li button", has_text="Remove").first.click()
        saved(page)
    regions = [a.value for a in history_of(pack.folder / "labels.sqlite")]
    assert regions[-1] is None
    two = regions[-3]
    assert [r["cue"] for r in two] == [None, "silence"]
    assert (two[0]["start"], two[0]["end"]) == pytest.approx((0.1, 0.35), abs=0.01)
    assert (two[1]["start"], two[1]["end"]) == pytest.approx((0.9, 1.0), abs=0.01)
    assert two[1]["end"] == 1.0
    three = regions[-4]
    assert (three[1]["start"], three[1]["end"]) == pytest.approx((0.5, 0.6), abs=0.02)


def test_a_closed_laptop_loses_nothing_and_counts_no_time(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        enter(page, "Ann")
        page.wait_for_timeout(2200)
        page.locator("#general").fill("before")
        saved(page)
        page.context.set_offline(True)
        page.locator("#comparison").fill("while the network is away")
        choose(radio(page, 0, "cue", "glitch"))
        expect(page.locator("#saved")).to_contain_text("2 not saved yet")
        url = page.url
        page.close()
        # The same profile, opened again.
        context = page.context
        context.set_offline(False)
        again = context.new_page()
        again.goto(url)
        ready(again)
        saved(again)
        expect(again.locator("#comparison")).to_have_value("while the network is away")
        expect(radio(again, 0, "cue", "glitch")).to_be_checked()
    history = history_of(pack.folder / "labels.sqlite")
    assert {a.field for a in history} == {"general", "comparison", "cue"}
    (before,) = (a.seconds for a in history if a.field == "general")
    assert 1.5 < before < 20


def test_what_is_saved_while_a_clip_opens_is_shown(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        enter(page, "Ann")
        page.context.set_offline(True)
        page.locator("#comparison").fill("while the network is away")
        expect(page.locator("#saved")).to_contain_text("1 not saved yet")
        url = page.url
        page.close()
        page.context.set_offline(False)
        again = page.context.new_page()
        opened, sent = [], []
        again.route("**/clips/*", lambda route: opened.append((route, route.fetch())))
        again.route("**/clips/*/answers", lambda route: sent.append(route))
        again.goto(url)
        for _ in range(100):
            if opened and sent:
                break
            again.wait_for_timeout(100)
        # The clip was read before the answer is saved, and arrives after that.
        sent[0].continue_()
        expect(again.locator("#saved")).to_have_text("Saved")
        opened[0][0].fulfill(response=opened[0][1])
        ready(again)
        expect(again.locator("#comparison")).to_have_value("while the network is away")
        # It goes on from there, and is no conflict.
        again.unroute_all()
        again.locator("#comparison").fill("and on")
        saved(again)
        expect(again.locator("#conflict")).to_be_hidden()
    values = [a.value for a in history_of(pack.folder / "labels.sqlite")]
    assert values == ["while the network is away", "and on"]


def test_a_browser_that_keeps_nothing(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        enter(page, "Ann")
        page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('full') } }")
        page.context.set_offline(True)
        page.locator("#general").fill("kept in the page")
        expect(page.locator("#saved")).to_contain_text("do not close it")
        choose(radio(page, 0, "cue", "glitch"))
        page.context.set_offline(False)
        saved(page)
    assert {a.value for a in history_of(pack.folder / "labels.sqlite")} == {
        "kept in the page",
        "glitch",
    }


def test_time_that_was_slept_through_is_no_work(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        page.clock.install()
        page.reload()
        enter(page, "Ann")
        page.clock.run_for(5000)
        # As when the laptop was closed: hours later, one tick.
        page.clock.fast_forward("02:00:00")
        page.locator("#general").fill("in the afternoon")
        page.clock.run_for(1000)
        saved(page)
    (answer,) = history_of(pack.folder / "labels.sqlite")
    assert 4 < answer.seconds < 60


def test_a_server_that_hangs_is_said_and_loses_nothing(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        page.clock.install()
        page.reload()
        enter(page, "Ann")
        try:
            # It takes the request, and answers nothing.
            server.process.send_signal(signal.SIGSTOP)
            page.locator("#general").fill("heard by nobody yet")
            page.clock.run_for(7000)
            expect(page.locator("#saved")).to_contain_text(
                "1 not saved yet: the server does not answer"
            )
            page.locator("#next").click()
            page.clock.run_for(7000)
            expect(page.locator("#problem")).to_have_text("The server does not answer yet.")
            # It is not waited for without end, and what was sent is sent again.
            page.clock.run_for(40_000)
            expect(page.locator("#problem")).to_contain_text("The clip cannot be opened")
        finally:
            server.process.send_signal(signal.SIGCONT)
        page.clock.run_for(10_000)
        saved(page)
    (answer,) = history_of(pack.folder / "labels.sqlite")
    assert answer.value == "heard by nobody yet"


def test_two_windows_of_one_person(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        enter(page, "Ann")
        other = visit(page.url)
        ready(other)
        page.locator("#general").fill("here")
        saved(page)
        other.locator("#general").fill("there")
        expect(other.locator("#conflict")).to_be_visible()
        expect(other.locator("#theirs")).to_have_text("here")
        other.locator("#take-ours").click()
        saved(other)
        page.locator("#general").fill("here again")
        page.locator("#take-theirs").click()
        saved(page)
        expect(page.locator("#general")).to_have_value("there")
    values = [a.value for a in history_of(pack.folder / "labels.sqlite")]
    assert values == ["here", "there"]


def test_a_full_disk_is_said_and_nothing_typed_is_lost(visit, small_disk, tmp_path):
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    pack = make_pack(tmp_path / "annotation")
    with started(pack.folder, "--labels", str(small_disk / "labels.sqlite")) as server:
        page = visit(server.url)
        enter(page, "Ann")
        page.locator("#general").fill("first")
        saved(page)
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            while True:
                stream.write(b"x" * 4096)
        page.locator("#comparison").fill("y" * 4500)
        expect(page.locator("#saved")).to_contain_text("the disk of the server is full")
        filler.unlink()
        saved(page)
    history = history_of(small_disk / "labels.sqlite")
    assert [a.value for a in history] == ["first", "y" * 4500]


def test_scripts_in_what_people_write_are_text(pack, visit):
    hostile = '<img src=x onerror="alert(1)">'
    with started(pack.folder, "--unblind") as server:
        page = visit(server.url)
        page.get_by_label("New annotator").fill("<script>alert(1)</script>")
        page.get_by_role("button", name="Begin").click()
        expect(page.locator("#problem")).to_contain_text("a name begins with a letter or digit")
        enter(page, "Ann")
        block(page, 0).locator(".remark").fill(hostile)
        saved(page)
        other = visit(page.url)
        ready(other)
        expect(block(other, 0).locator(".remark")).to_have_value(hostile)
        other.locator("#general").fill("there")
        saved(other)
        page.locator("#general").fill(hostile)
        expect(page.locator("#ours")).to_have_text(hostile)
        page.locator("#take-ours").click()
        saved(page)


def test_who_is_not_blind_can_go_to_a_category(pack, visit):
    with started(pack.folder, "--unblind") as server:
        page = visit(server.url)
        enter(page, "Ann")
        page.locator("#category").select_option(label="label: bonafide")
        expect(page.locator("#about")).to_contain_text("label: bonafide")
        expect(page.locator("#about")).to_contain_text("utt_id: U1")
        expect(block(page, 0).locator(".verdict")).to_contain_text("score -1.25, wrong")
        page.locator("#next").click()
        expect(page.locator("#problem")).to_have_text("There is no further clip in this choice.")


def test_dialogs_open_at_their_beginning_and_pictures_have_axes(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        enter(page, "Ann")
        page.set_viewport_size({"width": 390, "height": 500})
        for button, dialog in (("#show-protocol", "#protocol"), ("#show-keys", "#keys")):
            page.locator(button).click()
            expect(page.locator(dialog)).to_be_visible()
            assert page.locator(dialog).evaluate("d => d.scrollHeight > d.clientHeight")
            assert page.locator(dialog).evaluate("d => d.scrollTop") == 0
            page.keyboard.press("Escape")
        box = page.locator("#waveform").bounding_box()
        labels = page.locator("#hertz span")
        expect(labels).to_have_text(["0", "2", "4", "6", "8 kHz"])
        tops = [label.bounding_box()["y"] - box["y"] for label in labels.all()]
        # From the lower end of the spectrogram to its upper, which is the lower of the waveform.
        assert tops == sorted(tops, reverse=True)
        assert 75 < tops[-1] < tops[0] < box["height"]
        # Also many explanations have their colours named on a narrow screen.
        expect(page.locator("#together .key")).to_have_text("Explanation 1Explanation 2")
        page.evaluate(
            "document.querySelector('#category').append(new Option('sha256: ' + 'f'.repeat(64)))"
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.evaluate(
            """() => {
              window.words = [];
              const plots = CanvasRenderingContext2D.prototype;
              const write = plots.fillText;
              plots.fillText = function (text, x, y) {
                const box = [x, x + this.measureText(text).width, this.canvas.clientWidth];
                window.words.push([y, parseFloat(this.font), ...box, text]);
                write.call(this, text, x, y);
              };
            }"""
        )
        page.set_viewport_size({"width": 380, "height": 500})
        page.wait_for_function(
            "() => window.words.filter(word => word.at(-1) === '0 s').length >= 3"
        )
        words = page.evaluate("window.words")
        assert min(size for _, size, *_ in words) >= 12
        assert all(right <= width for _, _, _, right, width, _ in words)
        for one, other in itertools.pairwise(words):
            # Times of one plot stand beside each other, and words above it elsewhere.
            assert one[0] != other[0] or other[-1] == "0 s" or one[3] < other[2]


def test_spectrogram_and_playing(pack, visit):
    with started(pack.folder) as server:
        page = visit(server.url)
        enter(page, "Ann")
        page.wait_for_function(
            """() => {
              const canvases = [];
              const collect = root => {
                canvases.push(...root.querySelectorAll('canvas'));
                for (const element of root.querySelectorAll('*'))
                  if (element.shadowRoot) collect(element.shadowRoot);
              };
              collect(document.querySelector('#waveform'));
              return canvases.some(canvas => {
                if (canvas.height < 100) return false;
                const context = canvas.getContext('2d');
                const image = context.getImageData(0, 0, canvas.width, canvas.height);
                return new Set(image.data).size > 50;
              });
            }"""
        )
        page.keyboard.press("Space")
        page.wait_for_function(
            "() => parseFloat(document.querySelector('#time').textContent) > 0.2"
        )
        page.keyboard.press("Space")
        page.locator("#zoom").fill("500")
        page.locator("#zoom").dispatch_event("input")
        drag(page, block(page, 0).locator("canvas"), 0.0, 0.5)
        saved(page)
    ((region,),) = answers(pack.folder).values()
    # Half of what is visible, which is about a fifth of a clip of one second at 500 px/s and more.
    assert region["end"] - region["start"] > 0.1


COLOURS = """canvas => {
  const context = canvas.getContext('2d');
  return new Set(context.getImageData(0, 0, canvas.width, canvas.height).data).size;
}"""
"""How many values the pixels of a plot have."""


def big_pack(folder, n=10_000):
    """As `write_pack` makes it, in less time: all clips are links to the audio of one."""
    path = folder.parent / "clip.wav"
    audio.write(path, 0.1 * np.random.default_rng(0).standard_normal(64000), 16000)
    about = {"study": "big", "corpus": "c", "split": "eval"}
    write_pack(folder, about, 1, [detector(name) for name in DETECTORS], [clip(path, "U")])
    (one,) = (folder / AUDIO).iterdir()
    (row,) = pl.read_csv(folder / CLIPS, separator="\t").to_dicts()
    keys = {f"U{i:05}": key_of(1, f"U{i:05}") for i in range(n)}
    for key in keys.values():
        os.link(one, folder / AUDIO / f"{key}.wav")
    rows = [{**row, "utt_id": utt_id, "key": key} for utt_id, key in keys.items()]
    write_table(folder / CLIPS, pl.DataFrame(rows).sort("key"))
    curve = np.random.default_rng(1).standard_normal(400).astype(np.float32)
    tensors = {f"{key}/{place}": curve for key in keys.values() for place in range(len(DETECTORS))}
    save_file(tensors, folder / EVIDENCE)
    return Pack(folder)


def test_clips_of_ten_thousand_open_in_less_than_a_second(tmp_path, visit):
    pack = big_pack(tmp_path / "annotation")
    with started(pack.folder) as server:
        page = visit(server.url)
        enter(page, "Ann")
        expect(page.locator("#of")).to_have_text("of 10000")
        key, times = page.locator("#work").get_attribute("data-ready"), []
        for number in (2, 5000, 10_000, 77, 1234):
            begin = time.perf_counter()
            page.locator("#number").fill(str(number))
            page.locator("#number").press("Enter")
            key = ready(page, key)
            times.append(time.perf_counter() - begin)
            assert block(page, 0).locator("canvas").evaluate(COLOURS) > 3
        begin = time.perf_counter()
        page.reload()
        ready(page)
        times.append(time.perf_counter() - begin)
    print("seconds to open:", [round(t, 3) for t in times])
    assert max(times) < 1.0
    assert re.fullmatch("[0-9a-f]{12}", key)
    assert Path(pack.audio(key)).is_file()
    assert all(one <= other for one, other in pairwise(pack.clips))
