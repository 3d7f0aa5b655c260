"""Files to read."""

import cv2
import numpy as np


def write_clip(path, frames, size, seed=0):
    """A clip of random frames of height and width ``size``, stored without much loss."""
    height, width = size
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (width, height))
    rng = np.random.default_rng(seed)
    for _ in range(frames):
        blocks = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        writer.write(blocks.repeat(8, axis=0).repeat(8, axis=1))
    writer.release()
    return path
