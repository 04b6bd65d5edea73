"""Pictures whose motion is known exactly, encoded by real encoders. Tests alone use it.

The texture is a sum of sinusoids, so it can be evaluated at any fractional position: sub-pixel motion is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from magno.runtime.camera.decoder import Decoder
from magno.runtime.units import AccessUnit, BlockMode, CodecFrame, Link, MotionField

RATE = 25
PICTURE_NS = 1_000_000_000 // RATE
PICTURE_PX = 64
# (x, y) of a picture -> (x, y) in the texture
Warp = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
DECODERS = {"libx264": "h264", "mpeg4": "mpeg4", "libx265": "hevc"}


def still(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x, y


def pan(dx: float, dy: float) -> Warp:
    """Content that has moved by (dx, dy)."""
    return lambda x, y: (x - dx, y - dy)


def rotation(degrees: float, size: tuple[int, int], zoom: float = 1.0) -> Warp:
    """Content turned clockwise (y points down) about the middle and enlarged."""
    angle, middle = np.deg2rad(degrees), ((size[0] - 1) / 2, (size[1] - 1) / 2)

    def warp(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, v = (x - middle[0]) / zoom, (y - middle[1]) / zoom
        return (
            u * np.cos(angle) + v * np.sin(angle) + middle[0],
            v * np.cos(angle) - u * np.sin(angle) + middle[1],
        )

    return warp


def texture(x: np.ndarray, y: np.ndarray, seed: int = 7) -> np.ndarray:
    """Luma in 0..255 at any position: wavelengths of 9 to 60 px in all directions."""
    rng = np.random.default_rng(seed)
    total = np.zeros(np.broadcast(x, y).shape)
    for _ in range(36):
        wavelength, angle, phase = rng.uniform(9, 60), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        along = (x * np.cos(angle) + y * np.sin(angle)) / wavelength
        total += np.sin(2 * np.pi * along + phase)
    return np.clip(128 + 22 * total, 0, 255)


def picture(size: tuple[int, int], warp: Warp = still, seed: int = 7) -> np.ndarray:
    """(H, W, 3) uint8 grey RGB of the texture seen through a warp."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float64)
    grey = np.rint(texture(*warp(x, y), seed)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def panned(size: tuple[int, int], velocity: tuple[float, float], pictures: int) -> list[np.ndarray]:
    return [picture(size, pan(velocity[0] * t, velocity[1] * t)) for t in range(pictures)]


def encode(
    pictures: Sequence[np.ndarray],
    codec: str = "libx264",
    *,
    gop: int = 250,
    b_pictures: int = 0,
    crf: int = 23,
) -> list[AccessUnit]:
    """Access units in decode order at 25 pictures a second, parameter sets in band, one reference.

    The quality is x264's own. At a higher one (crf 12) the encoder rounds a pan of 0.6 px to 0.5 in every
    picture and sends the rest as residual: its vectors alone are then off by 1.4 px after 30 pictures.
    """
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.height, context.width = pictures[0].shape[:2]
    context.pix_fmt, context.framerate, context.time_base = "yuv420p", Fraction(RATE), Fraction(1, RATE)
    context.gop_size, context.max_b_frames, context.thread_count = gop, b_pictures, 1
    if codec == "libx264":
        params = f"ref=1:bframes={b_pictures}:b-adapt=0:b-pyramid=none:scenecut=0"
        context.options = {"preset": "medium", "crf": str(crf), "x264-params": params}
    elif codec == "libx265":
        context.options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0:pools=none"}
    else:
        context.options = {"qmin": "2", "qmax": "2"}
    packets = []
    for index, image in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = index
        packets += context.encode(frame)
    packets += context.encode(None)
    return [AccessUnit(bytes(p), int(p.pts) * PICTURE_NS, 0, bool(p.is_keyframe)) for p in packets]


def decode(units: Sequence[AccessUnit], codec: str = "libx264") -> list[CodecFrame]:
    decoder = Decoder(DECODERS[codec], None, PICTURE_PX)
    return [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()


def uniform_field(
    mv_qpel: tuple[int, int] = (0, 0),
    blocks: tuple[int, int] = (4, 6),
    *,
    link: Link = Link.OK,
    mode: BlockMode = BlockMode.INTER,
) -> MotionField:
    """A field of `blocks` (rows, columns) of 8 px that all say the same."""
    field = np.broadcast_to(np.array(mv_qpel, np.int16), (*blocks, 2)).copy()
    return MotionField(field, np.full(blocks, mode, np.uint8), 8, (blocks[1] * 8, blocks[0] * 8), link)


def codec_frame(
    sequence: int, pict_type: str = "P", motion: MotionField | None = None, size: tuple[int, int] = (48, 32)
) -> CodecFrame:
    """A picture of one colour, of the sequence's number."""
    image = np.full((4, 4, 3), sequence % 256, np.uint8)
    return CodecFrame(sequence, sequence * PICTURE_NS, sequence, pict_type, motion, image, size)
