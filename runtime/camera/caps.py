"""What a source's vectors mean, said by the source, so that nothing downstream has to guess. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from magno.runtime.units import ResidualKind


class TimeFrom(Enum):
    """Whose clock a source's `pts_ns` follows."""

    CONTAINER = "container"  # a file's own timestamps
    COUNT = "count"  # none are carried: pictures counted at a rate
    RTP = "rtp"  # the sender's media clock
    CALLER = "caller"  # handed over with each picture
    DEVICE = "device"  # the driver or pipeline that took the picture
    ARRIVAL = "arrival"  # this machine's monotonic clock, when the picture came


@dataclass(frozen=True, slots=True)
class VectorCaps:
    """What is known of the vectors that a decoder or an encoder exports."""

    block_px: int  # of the motion grid: 8 FFmpeg, 16 NVDEC or Jetson H.264, 32 Jetson HEVC; 0: no vectors
    subpel: int  # steps of a vector in one luma pixel: 4 H.264, 2 MPEG-4; 0: no vectors
    has_intra: bool  # blocks that were coded without reference are told apart from lost ones
    has_skip: bool  # blocks that were merely copied are told apart from coded ones
    has_reference: bool  # which picture each vector points into is known
    residual: ResidualKind
    calibrated: (
        bool  # unit, sign, order and picture were measured (`magno inspect --conformance`), not only read
    )


NO_VECTORS = VectorCaps(0, 0, False, False, False, ResidualKind.NONE, True)


@dataclass(frozen=True, slots=True)
class Caps:
    """What a source gives."""

    vectors: VectorCaps
    time_from: TimeFrom
