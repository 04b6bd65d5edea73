"""The urls that libavformat opens for us, by scheme: what each may touch, and how long it may take. Pure.

What a server sends is hostile: it may name no file of ours and no host of its choice. So every family lists the
protocols and the formats that it needs, and no playlist (HLS, DASH) is among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

SOCKET_S = 3.0  # for one connection or one wait for data: a camera silent for so long is opened anew
OPEN_S = 10.0  # for all that opening needs
MICROSECONDS = 1_000_000
# Of opening: enough to find the size, and what was read for it is not lost. A camera need not be watched for 5 s.
PROBE_BYTES = 1 << 20
PROBE_S = 1.0
CONTAINERS = "mpegts,flv,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,h264,m4v,mpegvideo"


@dataclass(frozen=True, slots=True)
class Family:
    """What urls of some schemes have in common."""

    protocols: str  # that libavformat may use for it, comma separated; the first is its own
    formats: str  # that it may take what comes for
    timeout_option: str = "rw_timeout"  # in microseconds; what others call timeout means to listen, with RTMP


FAMILIES = {
    "rtsp": Family("rtsp,rtp,tcp,udp", "rtsp", "timeout"),
    "rtsps": Family("rtsps,rtsp,rtp,srtp,tls,tcp,udp", "rtsp", "timeout"),
    "rtmp": Family("rtmp,tcp", "flv"),
    "rtmps": Family("rtmps,tls,tcp", "flv"),
    "http": Family("http,https,tls,tcp", CONTAINERS),
    "https": Family("https,tls,tcp", CONTAINERS),
    "udp": Family("udp", CONTAINERS),
    "tcp": Family("tcp", CONTAINERS),
    "srt": Family("srt", CONTAINERS),  # not in PyAV's wheels: needs a PyAV built with libsrt
}


def options_for(scheme: str, transport: str) -> dict[str, str]:
    """What libavformat is told of a url; `transport` is RTSP's."""
    family = FAMILIES[scheme]
    options = {
        "protocol_whitelist": family.protocols,
        "format_whitelist": family.formats,
        family.timeout_option: str(int(SOCKET_S * MICROSECONDS)),
        "probesize": str(PROBE_BYTES),
        "analyzeduration": str(int(PROBE_S * MICROSECONDS)),
        # Else eight pictures are waited for, to guess their order: 0.66 s at 12.5 pictures a second, against 0.09.
        "fpsprobesize": "0",
        "max_ts_probe": "0",
    }
    if family.formats == "rtsp":
        options |= {"rtsp_transport": transport, "allowed_media_types": "video"}
    return options


def without_password(url: str) -> str:
    """The url as it may be shown: who reads a log needs no password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("://")[0] + "://..."
    _, at, host = parts.netloc.rpartition("@")
    return (urlunsplit(parts._replace(netloc=f"...@{host}")) if at else url)[:200]
