"""Reading video files (.avi .mp4 .mov .mkv ...) through FFmpeg's libraries (PyAV).

They honour what a container says of its samples: edit lists, which trim a clip without re-encoding it, time stamps
and rotation. What it says of their number is not asked: a clip is damaged where decoding fails, or where bytes that
the container needs are not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from kdkit import DataError

from .clip import MOST_PIXELS, Clip, build_clip, check_extent, plausible_rate
from .container import missing_bytes

# Others open further files, or addresses, that the file names (playlists), or take text and pictures for videos.
_CONTAINERS = (
    "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf,flv,ogg,dv,mpeg,mpegts,mpegvideo,m4v,h264,hevc,nut,swf,vob,ivf,y4m"
)
# Some indexes name one packet more than there is.
_UNREACHED = 1
_COPY = "Copy it again from its source."


def read_video(path: Path) -> Clip:
    """The clip in a video file. Raises :class:`kdkit.DataError` if it is no video, empty, truncated or damaged."""
    lacking_bytes = missing_bytes(path)
    try:
        with path.open("rb") as file:
            clip = decode_video(path, file)
    except DataError as error:
        if not lacking_bytes:
            raise
        reason = error.message.removeprefix(str(path)).strip()
        detail = f"{lacking_bytes} bytes are missing at its end, and what is left {reason}"
        raise DataError(f"{path} is truncated: {detail}", _COPY) from error
    if lacking_bytes:
        detail = f"{lacking_bytes} bytes are missing at its end, in or after frame {len(clip.frames) - 1}"
        raise DataError(f"{path} is truncated: {detail}", _COPY)
    return clip


def decode_video(path: Path, file: IO[bytes]) -> Clip:
    """The clip in an open video; ``path`` is named in errors: :class:`kdkit.DataError`, as of :func:`read_video`."""
    import av

    av.logging.set_level(None)  # what FFmpeg would print becomes our exceptions
    try:
        with av.open(file, options={"format_whitelist": _CONTAINERS}) as container:
            if not container.streams.video:
                raise DataError(f"{path} holds no pictures", "Sound alone cannot be measured.")
            stream = container.streams.video[0]
            stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
            check_extent(path, 1, stream.width or 0, stream.height or 0)
            times: list[float | None] = []
            clip = build_clip(path, _pictures(path, container, stream, times))
            rate = plausible_rate(float(stream.average_rate)) if stream.average_rate else None
    except DataError:
        raise
    except Exception as error:  # PyAV raises OSError, ValueError and its own kinds on damaged bytes
        raise DataError(f"{path} is not a video that can be decoded: {_text(error)}", _guess(path)) from error
    stamps = np.array([np.nan if time is None else time for time in times])
    return replace(clip, fps=rate, times=stamps)


def _pictures(path: Path, container: Any, stream: Any, times: list[float | None]) -> Iterator[np.ndarray]:
    """The pictures of a stream, uint8 grey or RGB, upright; the time of each in seconds is appended to ``times``."""
    import av

    begun, packet_count = False, 0
    reformatter = av.video.reformatter.VideoReformatter()  # it keeps what it prepared for the frame before
    for packet in container.demux(stream):
        packet_count += packet.size > 0
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            # A clip that was cut between two key frames begins with some that lack what they refer to.
            if not begun and packet.size and not packet.is_keyframe:
                continue
            raise DataError(
                f"{path} is damaged: frame {len(times)} cannot be decoded ({_text(error)})", _COPY
            ) from error
        for frame in frames:
            if frame.is_corrupt and not begun:
                continue
            if frame.is_corrupt:
                raise DataError(f"{path} is damaged: frame {len(times)} was only decoded in part", _COPY)
            begun = True
            times.append(frame.time)
            yield _upright(frame, reformatter)
    # The index says where each packet lies; a demuxer that meets damage on the way to one stops without an error.
    # One without bytes stands for a frame that was dropped on purpose.
    indexed_count = sum(entry.size > 0 for entry in stream.index_entries)
    if packet_count < indexed_count - _UNREACHED:
        detail = f"{packet_count} of the {indexed_count} packets in its index can be reached"
        raise DataError(f"{path} is damaged: {detail}", _COPY)


def _upright(frame: Any, reformatter: Any) -> np.ndarray:
    grey = frame.format.name.startswith("gray")
    picture = reformatter.reformat(frame, format="gray" if grey else "rgb24").to_ndarray()
    # Counter-clockwise degrees, as of numpy's rot90; a turn by other angles is no one's intention.
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))


def _guess(path: Path) -> str:
    """What the file is instead, judged by its first bytes."""
    with path.open("rb") as file:
        head = file.read(512)
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free"):
        return "It may be truncated: the index of an MP4 file usually lies at its end. " + _COPY
    printable = sum(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    if head and printable == len(head):
        return "It looks like text."
    return "Videos (.avi, .mp4, .mov ...), animated GIFs, DICOM cines and NIfTI files are read."


def _text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
