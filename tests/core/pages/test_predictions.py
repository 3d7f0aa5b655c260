"""The page of predictions: what it says, that nothing in it can harm, and 2,000 rows in a real browser."""

from __future__ import annotations

import io
import json
import re
import subprocess
import threading
from dataclasses import replace

import numpy as np
import pytest
from browser import CHROMIUM, View, look
from kdkit_echocardio.clips.encode import write_mp4
from PIL import Image

from kdkit import Domain
from kdkit.engine.prediction_log import FileResult, encode_curve
from kdkit.pages import predictions
from kdkit.pages.predictions import PAGE, write_page

HOSTILE = """</script><img src=x onerror=alert("1")>&'"""
ROWS = 2000

browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the path (apt install chromium)")


class Leaves(Domain):
    """Leaf outlines."""

    item = "leaf"
    flags = {"torn": "a part is missing", "dark": "it is hardly lit"}
    columns = {"length": "length (mm)", "kind": "kind", "length_note": "no length"}


def result(number: int, **facts) -> FileResult:
    row = {"length": number % 97, "kind": "oak", "width": 3, "flags": "", "doubt": (number * 7 % 1000) / 1000}
    return FileResult(f"/data/wood/{number:04d}.avi", "", row=row, items=20, **facts)


def data_of(out) -> dict:
    text = (out / PAGE).read_text()
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture
def out(tmp_path):
    (tmp_path / "previews").mkdir()
    picture = io.BytesIO()
    Image.fromarray(np.full((56, 112), 90, np.uint8)).save(picture, "WEBP")
    (tmp_path / "previews" / "a.webp").write_bytes(picture.getvalue())
    pictures = [np.full((64, 64, 3), 12 * number, np.uint8) for number in range(20)]
    write_mp4(tmp_path / "a #1.mp4", pictures, 30)
    return tmp_path


def test_rows_come_by_doubt_and_what_was_not_read_comes_last(out):
    unread = FileResult("/data/wood/x.avi", "", skipped="is empty")
    flagged = [replace(result(n), row={"flags": flags}) for n, flags in enumerate(["", "torn dark", "torn"])]
    write_page(out, "oak", Leaves(), [unread, *flagged])
    assert [row["name"] for row in data_of(out)["rows"]] == ["0001.avi", "0002.avi", "0000.avi", "x.avi"]
    doubtful = [replace(result(n), row={"doubt": doubt}) for n, doubt in enumerate([0.1, 0.9, 0.5])]
    write_page(out, "oak", Leaves(), [unread, *doubtful])
    assert [row["name"] for row in data_of(out)["rows"]] == ["0001.avi", "0002.avi", "0000.avi", "x.avi"]


def test_columns_are_the_domains_with_their_intervals(out):
    row = {"length": 5, "length_low": 4, "length_high": 7, "kind": "oak", "width": 3, "flags": "torn"}
    write_page(out, "oak", Leaves(), [FileResult("a.avi", "", row=row)])
    data = data_of(out)
    assert data["columns"] == ["length (mm)", "kind"] and data["flags"] == {"torn": "a part is missing"}
    assert data["rows"][0]["cells"] == [[5, 4, 7], "oak"]


def test_a_caption_says_what_the_curve_shows(out):
    shown = {"curve": encode_curve([1, 2]), "marks": {}, "caption": "area 1 to 2 cm², 0.1 s"}
    write_page(
        out, "oak", Leaves(), [FileResult("a.avi", "", row={}, preview=shown), FileResult("b.avi", "", row={})]
    )
    assert [row.get("caption") for row in data_of(out)["rows"]] == ["area 1 to 2 cm², 0.1 s", None]


def test_numbers_have_the_digits_that_a_look_can_take_in(out):
    row = {"length": 30.303030303030305, "length_low": 0.000123456, "length_high": 250, "kind": 2e-9}
    write_page(out, "oak", Leaves(), [FileResult("a.avi", "", row=row)])
    assert data_of(out)["rows"][0]["cells"] == [[30.3, 0.0001235, 250], 2e-9]


def test_why_a_value_is_missing_is_said_below_the_name(out):
    missing = FileResult("a.avi", "", row={"length": None, "kind": "oak", "length_note": "it is torn"})
    there = FileResult("b.avi", "", row={"length": 3, "kind": "oak", "length_note": ""})
    write_page(out, "oak", Leaves(), [missing, there])
    data = data_of(out)
    assert data["columns"] == ["length (mm)", "kind"]
    assert data["rows"][0]["notes"] == ["no length: it is torn"] and "notes" not in data["rows"][1]


def test_a_domain_that_names_nothing_has_all_columns(out):
    write_page(out, "any", Domain(), [FileResult("a.avi", "", row={"first_thing": 1, "other": None})])
    assert data_of(out)["columns"] == ["first thing", "other"]


def test_names_and_reasons_are_text_and_addresses_are_quoted(out):
    hostile = FileResult(f"/d/{HOSTILE}.avi", "", row={"kind": HOSTILE}, written=[f"{HOSTILE}.mp4", "a #1.mp4"])
    other = FileResult("/d/deeper/\udce9.avi", "", skipped=HOSTILE)
    write_page(out, HOSTILE, Leaves(), [hostile, other])
    text = (out / PAGE).read_text()
    assert (
        "<img" not in text
        and "onerror=alert(" not in text.replace("\\u0022", "").replace('\\"', '"').split("data")[0]
    )
    assert text.count("</script>") == 2
    row, unread = data_of(out)["rows"]
    assert row["name"] == f"{HOSTILE}.avi"[HOSTILE.rindex("/") + 1 :] or HOSTILE in row["name"]
    assert not set(row["moving"]) & set("<>\"'& #")
    assert unread["problem"] == HOSTILE and unread["name"] == "deeper/\udce9.avi"


def test_pictures_lie_in_the_page_as_long_as_there_is_room(out, monkeypatch):
    shown = [replace(result(n), preview={"picture": "previews/a.webp"}) for n in range(3)]
    size = (out / "previews" / "a.webp").stat().st_size
    monkeypatch.setattr(predictions, "MOST_INLINE", 2 * size)
    write_page(out, "oak", Leaves(), shown)
    addresses = [row["picture"] for row in data_of(out)["rows"]]
    assert [address.startswith("data:image/webp;base64,") for address in addresses] == [True, True, False]
    assert addresses[2] == "./previews/a.webp"


def test_a_curve_keeps_its_shape_in_few_characters():
    wave = 100 + 50 * np.cos(np.linspace(0, 20, 1000))
    points = np.frombuffer(bytes.fromhex(encode_curve(wave)), np.uint8)
    assert len(points) == 96 and points.max() == 255 and points.min() == pytest.approx(255 / 3, abs=2)
    assert encode_curve([0, 1, 2]) == "0080ff"
    assert (
        encode_curve([float("nan"), -3, 4]) == "0000ff" and encode_curve([]) == "" and encode_curve([0, 0]) == "0000"
    )


STEPS = """
const frame = document.querySelector('iframe');
const wait = ms => new Promise(done => setTimeout(done, ms));
addEventListener('load', async () => {
  const page = frame.contentDocument, view = frame.contentWindow, seen = {};
  const rows = () => [...page.querySelectorAll('#rows li')];
  const names = () => rows().sort((a, b) => a.offsetTop - b.offsetTop).map(r => r.querySelector('b').textContent);
  const count = () => page.getElementById('count').textContent;
  seen.first = names(); seen.built = rows().length; seen.count = count();
  seen.pictures = rows().slice(0, 3).map(r => r.querySelector('img').naturalWidth);
  seen.notes = [...page.querySelectorAll('#rows .note')].map(note => note.textContent);
  const start = performance.now();
  view.scrollTo(0, page.documentElement.scrollHeight); await wait(200);
  seen.last = names().at(-1); seen.builtBelow = rows().length;
  const search = page.getElementById('search');
  search.value = '0123'; search.dispatchEvent(new Event('input')); seen.found = names(); seen.foundCount = count();
  search.value = ''; search.dispatchEvent(new Event('input'));
  const button = [...page.querySelectorAll('#filters button')].find(b => b.textContent.startsWith('torn'));
  button.click(); seen.filtered = count(); button.click(); seen.unfiltered = count();
  const sort = page.getElementById('sort');
  sort.value = 'down 0'; sort.dispatchEvent(new Event('change')); view.scrollTo(0, 0); await wait(200);
  seen.longest = names()[0];
  sort.value = 'doubt'; sort.dispatchEvent(new Event('change'));
  page.querySelector('#rows .picture').click(); await wait(50);
  const video = page.querySelector('#stage video');
  for (let n = 0; n < 100 && video.readyState < 2 && !video.error; n++) await wait(50);
  seen.video = [video.videoWidth, video.error && video.error.message, page.getElementById('player').open];
  console.log('SEEN ' + JSON.stringify(seen) + ' END');
});
"""


@pytest.fixture
def many(out):
    """2,000 rows of which each shows everything, one is hostile, and some were not read."""
    curve = encode_curve(1 + np.sin(np.arange(200) / 9))
    shown = {
        "picture": "previews/a.webp",
        "curve": curve,
        "marks": {"ED": 3, "ES": 11},
        "caption": "area 3 to 9 cm², 1.2 s",
    }
    results = [result(n, preview=shown, written=["a #1.mp4"]) for n in range(ROWS - 3)]
    for number in range(0, 50, 2):
        results[number] = replace(results[number], row=results[number].row | {"flags": "torn dark"})
    most_doubtful = results[857]
    results[857] = replace(most_doubtful, row=most_doubtful.row | {"length": None, "length_note": HOSTILE})
    results += [FileResult(f"/data/wood/{HOSTILE}.avi", "", skipped=HOSTILE)]
    results += [FileResult(f"/data/wood/x{n}.avi", "", skipped="is empty") for n in range(2)]
    write_page(out, "oak", Leaves(), results)
    return out / PAGE


def run_steps(around, folder):
    """What the steps have seen. Videos know real time only, so the browser is ended when it has said it."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += [
        "--enable-logging=stderr",
        "--allow-file-access-from-files",
        "--autoplay-policy=no-user-gesture-required",
    ]
    with subprocess.Popen([*command, around.as_uri()], stderr=subprocess.PIPE, text=True) as running:
        stop = threading.Timer(60, running.kill)
        stop.start()
        console = []
        for line in running.stderr:
            console += [line] if "CONSOLE" in line else []
            if " END" in line:
                break
        stop.cancel()
        running.terminate()
    assert len(console) == 1, console
    return json.loads(re.search(r"SEEN (.*) END", console[0])[1])


@browser
def test_two_thousand_rows_are_searched_filtered_and_played(many, tmp_path):
    around = tmp_path / "around.html"
    frame = f'<iframe style="width:1200px;height:900px" src="{many.name}"></iframe>'
    around.write_text(f"<!DOCTYPE html>{frame}<script>{STEPS}</script>")
    seen = run_steps(around, tmp_path)
    by_doubt = sorted(range(ROWS - 3), key=lambda n: -(n * 7 % 1000))
    assert seen["first"] == [f"{n:04d}.avi" for n in by_doubt[: seen["built"]]]
    assert 5 < seen["built"] < 30 and seen["builtBelow"] < 30
    assert seen["count"] == seen["unfiltered"] == "2,000 of 2,000 shown" and seen["pictures"] == [112, 112, 112]
    assert seen["notes"] == [f"no length: {HOSTILE}"]
    assert seen["last"] == "x1.avi"
    assert seen["found"] == ["0123.avi"] and seen["foundCount"] == "1 of 2,000 shown"
    assert seen["filtered"] == "25 of 2,000 shown"
    assert int(seen["longest"].removesuffix(".avi")) % 97 == 96
    assert seen["video"] == [64, None, True]


DETAILS = """
const frame = document.querySelector('iframe');
const wait = ms => new Promise(done => setTimeout(done, ms));
addEventListener('load', async () => {
  const page = frame.contentDocument, seen = {}, player = page.getElementById('player');
  const rows = [...page.querySelectorAll('#rows li')];
  const full = rows.find(row => row.textContent.includes('0001.avi'));
  const plain = rows.find(row => row.textContent.includes('0000.avi'));
  const isShown = element => getComputedStyle(element).display !== 'none';
  const end = full.querySelector('.what').getBoundingClientRect().bottom;
  seen.flags = [...full.querySelectorAll('.flag')].map(flag => flag.getBoundingClientRect().bottom <= end);
  seen.more = [full, plain].map(row => isShown(row.querySelector('.more')));
  seen.heights = [full, plain].map(row => row.offsetHeight);
  full.querySelector('.name button').click(); await wait(20);
  seen.open = player.open; seen.text = player.innerText; seen.pictures = page.querySelectorAll('#stage *').length;
  seen.wide = player.scrollWidth <= player.clientWidth + 1;
  player.close(); await wait(20);
  full.querySelector('.more').click(); await wait(20);
  seen.same = player.innerText === seen.text;
  player.close(); await wait(20);
  full.querySelector('.picture').click(); await wait(20);
  seen.played = [page.querySelectorAll('#stage video').length, player.innerText.includes('it is torn')];
  console.log('SEEN ' + JSON.stringify(seen) + ' END');
});
"""


@browser
@pytest.mark.parametrize("width", [390, 1200])
def test_what_a_row_has_no_room_for_is_read_in_the_dialog(out, tmp_path, width):
    note = f"areas: it is torn, {'and torn again ' * 9}; discs: the tip is missing, {'and again ' * 9}"
    row = {"length": 5.5, "length_low": 4.5, "length_high": 7.5, "kind": "oak", "flags": "torn dark"}
    full = FileResult(
        f"/data/wood/{'deep-' * 12}/0001.avi",
        "",
        row=row | {"length_note": note},
        written=["a #1.mp4"],
        preview={
            "picture": "previews/a.webp",
            "curve": encode_curve([1, 3]),
            "marks": {"ED": 3},
            "caption": "1 to 3",
        },
        items=9,
        duplicate_of="/data/wood/first.avi",
    )
    write_page(out, "oak", Leaves(), [FileResult("/data/wood/0000.avi", "", row={"kind": "oak"}), full])
    around = tmp_path / "around.html"
    frame = f'<iframe style="width:{width}px;height:900px" src="{PAGE}"></iframe>'
    around.write_text(f"<!DOCTYPE html>{frame}<script>{DETAILS}</script>")
    seen = run_steps(around, tmp_path)
    assert seen["flags"] == [True, True] and seen["heights"][0] == seen["heights"][1]
    assert seen["more"] == [True, False]
    assert seen["open"] and seen["same"] and seen["wide"] and seen["pictures"] == 0
    told = " ".join(seen["text"].split())
    for part in (
        f"{'deep-' * 12}/0001.avi",
        f"no length: {note.strip()}",
        "torn a part is missing",
        "dark it is hardly",
    ):
        assert " ".join(part.split()) in told
    for part in ("length (mm) 5.5 4.5 to 7.5", "kind oak", "the same content as first.avi", "1 to 3", "ED 3"):
        assert part in told
    assert seen["played"] == [1, True]


@browser
@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
def test_it_is_readable_on_a_phone_and_at_night(many, dark, tmp_path):
    for seen in look([View(many, width) for width in (390, 1200)], dark, tmp_path):
        assert seen.console == [] and seen.scroll <= seen.width
        assert len(seen.images) >= 5 and all(image["width"] for image in seen.images)
        assert [text for text in seen.texts if text["ratio"] < text["need"]] == []
