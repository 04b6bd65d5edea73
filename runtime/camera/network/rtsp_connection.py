"""The conversation with an RTSP server over one TCP connection, pictures included (RFC 2326). Knows no codec.

What comes is hostile: lines, headers and bodies are bounded, and no address that a server names is connected to.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from magno.runtime.camera.network.families import SOCKET_S
from magno.runtime.camera.network.rtsp_login import Login
from magno.runtime.clock import NS_PER_S, Clock

PORT = 554
AGENT = "magno"
MAX_LINE_BYTES = 8192
MAX_LINES = 128
MAX_BODY_BYTES = 64 << 10
MAX_EARLY = 4096  # packets that may come before the reply that they follow
PATIENCE_S = 10.0  # for a reply, whatever else comes meanwhile
USUAL_TIMEOUT_S = 60.0  # after which a server forgets a silent client
OK, UNAUTHORIZED = 200, 401


class RtspError(Exception):
    """The server is gone, speaks no RTSP, or refuses."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status  # of a refusal


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    reason: str
    headers: dict[str, list[str]]
    body: str

    def header(self, name: str) -> str:
        return self.headers.get(name, [""])[0]


class RtspConnection:
    """One client's. Raises RtspError; what a socket raises is one, too."""

    def __init__(self, url: str, clock: Clock) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or PORT
        except ValueError as error:
            raise RtspError(str(error)) from error
        if not host:
            raise RtspError("no host in its url")
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._login = Login(unquote(parts.username or ""), unquote(parts.password or ""))
        self._clock = clock
        self._count, self._session = 0, ""
        self._early: deque[bytes] = deque(maxlen=MAX_EARLY)
        self._keep_alive, self._timeout_s, self._heard_of_us_ns = "OPTIONS", USUAL_TIMEOUT_S, clock.now_ns()
        with self._told():
            self._socket = socket.create_connection((host, port), SOCKET_S)
            self._file = self._socket.makefile("rb")

    def describe(self) -> tuple[str, str]:
        """The session description, and the url that its tracks' names follow."""
        if "GET_PARAMETER" in self._request("OPTIONS", self.url).header("public"):
            self._keep_alive = "GET_PARAMETER"
        reply = self._request("DESCRIBE", self.url, {"Accept": "application/sdp"})
        return reply.body, reply.header("content-base") or reply.header("content-location") or self.url

    def play(self, base: str, control: str) -> None:
        """Have a track sent over this connection."""
        track = control if "://" in control else base if control == "*" else f"{base.rstrip('/')}/{control}"
        transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
        session = self._request("SETUP", track, {"Transport": transport}).header("session")
        self._session, _, more = session.partition(";")
        name, _, value = more.strip().partition("=")
        if name == "timeout" and value.isascii() and value.isdigit() and 0 < len(value) < 6:
            self._timeout_s = max(2.0, float(value))
        self._request("PLAY", base, {"Range": "npt=0.000-"})

    def packets(self) -> Iterator[bytes]:
        """RTP packets as they come, until the server ends the connection."""
        while True:
            while self._early:
                yield self._early.popleft()
            if self._clock.now_ns() - self._heard_of_us_ns > self._timeout_s / 2 * NS_PER_S:
                self._send(self._keep_alive, self.url, {})
            received = self._receive()
            if received is None:
                return
            if isinstance(received, bytes):
                yield received

    def close(self) -> None:
        with contextlib.suppress(RtspError, OSError):
            if self._session:
                self._send("TEARDOWN", self.url, {})
        with contextlib.suppress(OSError):
            self._file.close()
        self._socket.close()

    def _request(self, method: str, url: str, headers: dict[str, str] | None = None) -> Reply:
        """Ask, and wait for the reply; once more with the password, if it is asked for."""
        until_ns = self._clock.now_ns() + int(PATIENCE_S * NS_PER_S)
        asked_before = False
        self._send(method, url, headers or {})
        while self._clock.now_ns() < until_ns:
            reply = self._receive()
            if reply is None:
                raise RtspError("it ended the connection")
            if isinstance(reply, bytes):
                self._early.append(reply)
            elif reply.header("cseq") not in ("", str(self._count)) or reply.status < OK:
                continue
            elif reply.status == OK:
                return reply
            elif reply.status != UNAUTHORIZED or asked_before:
                raise RtspError(f"{reply.status} {reply.reason}"[:80], reply.status)
            elif not self._login.ask(reply.headers.get("www-authenticate", [])):
                raise RtspError("it wants a user and a password, as rtsp://user:password@host", reply.status)
            else:
                asked_before = True
                self._send(method, url, headers or {})
        raise RtspError(f"no reply to {method} within {PATIENCE_S:g} s")

    def _send(self, method: str, url: str, headers: dict[str, str]) -> None:
        self._count += 1
        self._heard_of_us_ns = self._clock.now_ns()
        headers = {"CSeq": str(self._count), "User-Agent": AGENT, **headers}
        if self._session:
            headers["Session"] = self._session
        if authorization := self._login.header(method, url):
            headers["Authorization"] = authorization
        lines = [f"{method} {url} RTSP/1.0", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with self._told():
            self._socket.sendall("\r\n".join(lines).encode())

    def _receive(self) -> Reply | bytes | None:
        """The next reply, or RTP packet; None at the connection's end."""
        while True:
            with self._told():
                first = self._file.read(1)
                if not first:
                    return None
                if first != b"$":
                    return self._reply(first)
                head = self._file.read(3)
                packet = self._file.read(int.from_bytes(head[1:], "big"))
            if head[:1] == b"\0":
                return packet

    def _reply(self, first: bytes) -> Reply:
        """A reply, or a request of the server's, which has a status of 0 and is not answered."""
        lines = [first + self._line()]
        while lines[-1].strip() or len(lines) == 1:
            if len(lines) > MAX_LINES:
                raise RtspError("a head without an end")
            lines.append(self._line())
        version, _, rest = lines[0].decode("latin-1").strip().partition(" ")
        if lines[0].strip() and "RTSP/" not in lines[0].decode("latin-1"):
            raise RtspError("something else than RTSP")
        headers: dict[str, list[str]] = {}
        for line in lines[1:]:
            name, _, value = line.decode("latin-1").partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        size = headers.get("content-length", ["0"])[0]
        if not size.isascii() or not size.isdigit() or len(size) > 6 or int(size) > MAX_BODY_BYTES:
            raise RtspError("a body of no size")
        body = self._file.read(int(size)).decode("utf-8", "replace")
        status, _, reason = rest.partition(" ")
        is_reply = version.startswith("RTSP/") and status.isascii() and status.isdigit()
        return Reply(int(status[:3]) if is_reply else 0, reason, headers, body)

    def _line(self) -> bytes:
        line = self._file.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise RtspError("a line without an end")
        return line

    @staticmethod
    @contextlib.contextmanager
    def _told() -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise RtspError(f"silence for {SOCKET_S:g} s") from error
        except (OSError, ValueError, UnicodeError) as error:
            raise RtspError(str(getattr(error, "strerror", None) or error)[:120]) from error
