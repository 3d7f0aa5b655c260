"""The example of a web page segments a cine in a real browser, and sends nothing anywhere."""

import functools
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from browser import CHROMIUM

import kdkit
from kdkit.api import export_student
from kdkit.plugins.registry import discover
from kdkit.recipe.load import load_experiment
from kdkit.runs.student import write_student

EXAMPLE = Path(__file__).parents[3] / "examples" / "browser"
RUNTIME = EXAMPLE / "node_modules" / "onnxruntime-web" / "dist"
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
SECONDS = 600

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the path (Debian: apt install chromium)"),
    pytest.mark.skipif(not RUNTIME.is_dir(), reason="run npm install onnxruntime-web in examples/browser"),
]

# Drops files on the page in a frame, and posts what the page says when it is done.
AROUND = """<!DOCTYPE html><meta charset="utf-8">
<iframe id="page" src="/index.html" width="800" height="1400"></iframe>
<script>
onload = async () => {
  const view = document.getElementById("page").contentWindow, body = view.document.body;
  const given = new DataTransfer();
  for (const name of NAMES) {
    const data = await (await fetch("/" + name)).blob();
    given.items.add(new File([data], name, {type: name.endsWith(".mp4") ? "video/mp4" : "image/png"}));
  }
  view.dispatchEvent(new view.DragEvent("drop", {dataTransfer: given, cancelable: true}));
  const tried = await view.fetch("http://example.org/").then(() => "sent", () => "refused");
  while (!body.dataset.done && !body.dataset.failed) await new Promise(resolve => setTimeout(resolve, 100));
  const text = view.document.getElementById("result").textContent;
  await fetch("/answer", {method: "POST", body: JSON.stringify({...body.dataset, text, tried})});
};
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and keeps what is posted to it."""

    def do_POST(self):
        self.server.answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.answered.set()

    def log_message(self, *values):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory, cine):
    """A folder with the page, the runtime, a small student as ``model/step.onnx``, and the student's own folder.

    The student is not trained: its last bias is shifted so that half of a frame lies above the threshold.
    """
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(EXAMPLE / "index.html", folder)
    runtime = folder / RUNTIME.relative_to(EXAMPLE)
    runtime.mkdir(parents=True)
    for name in FILES:
        shutil.copy(RUNTIME / name, runtime)
    student = tmp_path_factory.mktemp("student")
    experiment = load_experiment(discover(), "echocardio", None, ["student.blocks=2", "student.width=3"])
    network = experiment.student.build().eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(_resized(cine)[None]))
        biases = [value for name, value in network.named_parameters() if name.endswith("bias") and value.numel() == 1]
        biases[-1] -= logits.median()
    write_student(student, network, experiment, {})
    export_student(student, "onnx", folder / "model")
    return folder, student


def see(folder, names, tmp_path):
    """What the page says of these files, dropped on it."""
    (folder / "around.html").write_text(AROUND.replace("NAMES", json.dumps(names)))
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.answered = threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/around.html"
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0", url]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert server.answered.wait(SECONDS), "the page never answered"
        finally:
            browser.kill()
            browser.wait()
            server.shutdown()
        return server.answer


@pytest.fixture(scope="module")
def cine():
    """The ultrasound cine that comes with pydicom, its central square, grey: (frames, side, side) uint8."""
    import pydicom
    from pydicom.data import get_testdata_file
    from pydicom.pixels import pixel_array

    data = pydicom.dcmread(get_testdata_file("examples_ybr_color.dcm"))
    frames = pixel_array(data)
    grey = (frames @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
    side = min(grey.shape[1:])
    top, left = ((length - side) // 2 for length in grey.shape[1:])
    return grey[:, top : top + side, left : left + side]


def test_pictures_give_what_the_student_gives(site, cine, tmp_path):
    folder, student = site
    small = _resized(cine)
    names = [f"frame{index}.png" for index in range(len(small))]
    for name, frame in zip(names, small, strict=True):
        cv2.imwrite(str(folder / name), frame)
    answer = see(folder, names[::-1], tmp_path)
    assert "failed" not in answer, answer
    assert answer["tried"] == "refused"
    assert f"{len(small)} frames at 30.0 a second" in answer["text"]
    prediction = kdkit.load_student(student).predict(small[None])[0]
    areas = [_largest(frame >= 0.5) for frame in prediction]
    assert 500 < np.median(areas) < 112 * 112 - 500, "neither empty nor full: something is compared"
    # Predictions of the student are rounded to 8 bits.
    np.testing.assert_allclose(json.loads(answer["done"])["areas"], areas, rtol=0.02, atol=30)


def test_a_video_is_read_frame_by_frame(site, cine, tmp_path):
    import av

    folder, _ = site
    with av.open(str(folder / "cine.mp4"), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width = stream.height = cine.shape[1] // 2 * 2
        stream.pix_fmt = "yuv420p"
        for frame in cine:
            even = np.ascontiguousarray(frame[: stream.height, : stream.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.stack([even] * 3, -1), format="rgb24")))
        container.mux(stream.encode())
    answer = see(folder, ["cine.mp4"], tmp_path)
    assert "failed" not in answer, answer
    assert f"{len(cine)} frames at 25.0 a second" in answer["text"]


def test_what_is_no_picture_is_told(site, tmp_path):
    folder, _ = site
    (folder / "broken.png").write_bytes(b"no picture")
    answer = see(folder, ["broken.png"], tmp_path)
    assert "broken.png" in answer["text"] and "done" not in answer


def _resized(cine):
    return np.stack([cv2.resize(frame, (112, 112), interpolation=cv2.INTER_AREA) for frame in cine])


def _largest(mask):
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return int(stats[1:, cv2.CC_STAT_AREA].max(initial=0))
