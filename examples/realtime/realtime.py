"""The left ventricle in a live picture, without torch: python realtime.py step.onnx 0 (a device, or a file)."""

import sys
from collections import deque

import cv2
import numpy as np
import onnxruntime
from kdkit_echocardio.beats import find_beats
from kdkit_echocardio.geometry import binarize, clean, ejection_fraction

SIDE, SECONDS = 112, 6


class Monitor:
    """Feeds frames to ``step.onnx`` and keeps the areas of the last seconds."""

    def __init__(self, file, fps):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        ports = [port for port in self.session.get_inputs() if port.name != "frame"]
        self.state = {p.name: np.zeros([n if isinstance(n, int) else 1 for n in p.shape], np.float32) for p in ports}
        self.outputs = ["prediction", *(f"next_{name}" for name in self.state)]
        self.fps, self.areas = fps, deque(maxlen=int(SECONDS * fps))

    def show(self, picture):
        """The mask in a BGR picture's central square, (112, 112) bool; ejection fraction in percent, or NaN."""
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        side, (height, width) = min(grey.shape), grey.shape
        top, left = (height - side) // 2, (width - side) // 2
        square = cv2.resize(grey[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        prediction, *state = self.session.run(self.outputs, {"frame": square[None], **self.state})
        self.state = dict(zip(self.state, state, strict=True))
        mask = clean(binarize(prediction))[0]
        self.areas.append(mask.sum())
        areas = np.array(self.areas, np.float64)
        ed, es = find_beats(areas, self.fps)
        return mask, ejection_fraction(areas[ed].mean(), areas[es].mean()) if len(ed) and len(es) else float("nan")


if __name__ == "__main__":
    capture = cv2.VideoCapture(int(sys.argv[2]) if sys.argv[2].isdigit() else sys.argv[2])
    monitor = Monitor(sys.argv[1], capture.get(cv2.CAP_PROP_FPS) or 30)
    while (frame := capture.read())[0]:
        mask, fraction = monitor.show(frame[1])
        print(f"\rarea {mask.sum():5d} pixels, ejection fraction {fraction:3.0f} %", end="", flush=True)
    print()
