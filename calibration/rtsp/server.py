"""A small RTSP server on loopback, for benches and tests: one clip over and over, which can go, come and lose packets.

It is a camera that does what it is told, not one for use: no passwords, one stream, H.264 alone.
"""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

import av

from magno.calibration.rtsp.rtp import CLOCK_HZ, PAYLOAD_TYPE, packets
from magno.runtime.camera.h264.nal import NalType, nal_type, split_nal_units

HOST = "127.0.0.1"
TRACK = "track"
REQUEST_BYTES = 4096
SEND_S = 1.0
FIRST_TICKS = 0x10F2C  # RTP's time begins anywhere


@dataclass(frozen=True, slots=True)
class Clip:
    """What is served: access units in annex B, at a rate."""

    units: Sequence[bytes]
    rate: float  # pictures a second


def clip_from_file(path: str, pictures: int | None = None) -> Clip:
    """The first pictures of an H.264 file."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        to_annexb = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        units: list[bytes] = []
        for packet in container.demux(stream):
            units += [bytes(made) for made in to_annexb.filter(packet) if made.size]
            if pictures is not None and len(units) >= pictures:
                break
        return Clip(units[:pictures], float(stream.average_rate or 25))


class RtspServer:
    """Serves from `open` to `close`, again and again at the same port. `lose` names the RTP packets left out."""

    def __init__(self, clip: Clip, lose: Callable[[int], bool] = lambda number: False) -> None:
        self._clip, self._lose = clip, lose
        self.port = 0
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"rtsp://{HOST}:{self.port}/clip"

    def open(self) -> None:
        """Begin to serve, at the port that it had before."""
        listener = socket.create_server((HOST, self.port))
        self.port = listener.getsockname()[1]
        self._sockets = [listener]
        self._begin(self._accept, listener)

    def close(self) -> None:
        """Be gone: every connection ends."""
        for open_socket in self._sockets:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()
        for thread in self._threads:
            thread.join()
        self._threads, self._sockets = [], []

    def _begin(self, job: Callable[[socket.socket], None], connection: socket.socket) -> None:
        thread = threading.Thread(target=job, args=(connection,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(SEND_S)
                self._sockets.append(connection)
                self._begin(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            datagrams.bind((HOST, 0))
            session = _Session(self._clip, self._lose, connection, datagrams)
            while not session.playing:
                connection.settimeout(None)
                session.answer()
            connection.settimeout(SEND_S)
            session.play()

    def __enter__(self) -> RtspServer:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Session:
    def __init__(
        self, clip: Clip, lose: Callable[[int], bool], connection: socket.socket, datagrams: socket.socket
    ) -> None:
        self._clip, self._lose, self._connection, self._datagrams = clip, lose, connection, datagrams
        self._client_port: int | None = None  # None: interleaved
        self.playing = False

    def answer(self) -> None:
        """Take one request. Raises OSError when the client has gone."""
        request = self._connection.recv(REQUEST_BYTES)
        if not request:
            raise ConnectionResetError
        if request[:1] == b"$":  # RTCP
            return
        lines = request.decode("latin-1").split("\r\n")
        method, url = (*lines[0].split(" "), "", "")[:2]
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        reply, body = self._reply(method, url, headers)
        self._send(
            "\r\n".join(["RTSP/1.0 200 OK", f"CSeq: {headers.get('cseq', '')}", *reply, "", body]).encode()
        )
        self.playing = self.playing or method == "PLAY"

    def _reply(self, method: str, url: str, headers: dict[str, str]) -> tuple[list[str], str]:
        if method == "OPTIONS":
            return ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"], ""
        if method == "DESCRIBE":
            body = _sdp(self._clip.units[0])
            return [
                f"Content-Base: {url}/",
                "Content-Type: application/sdp",
                f"Content-Length: {len(body)}",
            ], body
        if method != "SETUP":
            return ["Session: 1"], ""
        transport = headers.get("transport", "")
        if "client_port=" in transport:
            self._client_port = int(transport.partition("client_port=")[2].split("-")[0])
            own = self._datagrams.getsockname()[1]
            transport += f";server_port={own}-{own + 1}"
        return ["Session: 1", f"Transport: {transport}"], ""

    def play(self) -> None:
        """Send pictures at their rate until the client has gone. Raises OSError then."""
        began_s, sequence, picture = time.monotonic(), 0, 0
        while True:
            due_s = began_s + picture / self._clip.rate
            while (left_s := due_s - time.monotonic()) > 0:
                if select.select([self._connection], [], [], left_s)[0]:
                    self.answer()
            unit = self._clip.units[picture % len(self._clip.units)]
            for packet in packets(unit, FIRST_TICKS + int(picture * CLOCK_HZ / self._clip.rate), sequence):
                if not self._lose(sequence):
                    self._send_packet(packet)
                sequence += 1
            picture += 1

    def _send_packet(self, packet: bytes) -> None:
        if self._client_port is not None:
            self._datagrams.sendto(packet, (HOST, self._client_port))
        else:
            self._send(b"$\0" + len(packet).to_bytes(2, "big") + packet)

    def _send(self, data: bytes) -> None:
        self._connection.sendall(data)


def _sdp(first_unit: bytes) -> str:
    sets = [
        base64.b64encode(nal).decode()
        for nal in split_nal_units(first_unit)
        if nal_type(nal) in (NalType.SPS, NalType.PPS)
    ]
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {HOST}",
        "s=clip",
        f"c=IN IP4 {HOST}",
        "t=0 0",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;sprop-parameter-sets={','.join(sets)}",
        f"a=control:{TRACK}",
    ]
    return "\r\n".join([*lines, ""])
