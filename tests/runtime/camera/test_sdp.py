"""Session descriptions and logins: those of real cameras, and noise."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.camera.network.rtsp_login import Login
from magno.runtime.camera.network.sdp import Track, h264_track

CAMERA = """v=0
o=- 1 1 IN IP4 192.168.1.64
s=Media Presentation
a=control:rtsp://192.168.1.64/
m=audio 0 RTP/AVP 0
a=control:rtsp://192.168.1.64/trackID=2
m=video 0 RTP/AVP 97
a=rtpmap:97 h264/90000
a=fmtp:97 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z00=,aO4=
a=framerate:25.0
a=control:rtsp://192.168.1.64/trackID=1
m=application 0 RTP/AVP 107
a=rtpmap:107 vnd.onvif.metadata/90000
"""


def test_the_video_track_of_a_camera() -> None:
    found = h264_track(CAMERA)
    assert found == Track(
        97, 90_000, "rtsp://192.168.1.64/trackID=1", b"\0\0\0\1\x67\x4d\0\0\0\1\x68\xee", 25.0
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("h264/90000", "H265/90000"),
        ("packetization-mode=1", "packetization-mode=2"),
        ("m=video", "m=text"),
        ("h264/90000", "h264/0"),
        ("h264/90000", "h264"),
        ("a=rtpmap:97", "a=rtpmap:98"),
    ],
)
def test_what_is_not_read_here(old: str, new: str) -> None:
    assert h264_track(CAMERA.replace(old, new)) is None


@pytest.mark.parametrize("sets", ["", "!!!", "Z00", ",,", base64.b64encode(bytes(5000)).decode()])
def test_parameter_sets_that_are_none(sets: str) -> None:
    found = h264_track(CAMERA.replace("Z00=,aO4=", sets))
    assert found is not None and found.parameter_sets == b""


@given(
    st.lists(
        st.sampled_from([*CAMERA.splitlines(), "m=", "m=video ", "a=", "a=fmtp:97 ", "a=rtpmap:97 "])
        | st.text()
    )
)
def test_noise_raises_nothing(lines: list[str]) -> None:
    h264_track("\r\n".join(lines))


def test_digest_without_a_quality_of_protection() -> None:
    """RFC 2617, section 3.5 has the hashes; the response without qop follows from RFC 2069."""
    login = Login("Mufasa", "Circle Of Life")
    assert login.header("GET", "/dir/index.html") == ""
    assert login.ask(
        ['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc"']
    )
    header = login.header("GET", "/dir/index.html")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in header and 'opaque="5ccc"' in header


def test_digest_counts_what_it_signs() -> None:
    login = Login("me", "secret")
    assert login.ask(
        ['Basic realm="a"', 'Digest realm="a", nonce="b", qop="auth,auth-int", algorithm=SHA-256']
    )
    headers = [login.header("PLAY", "rtsp://cam/1") for _ in range(2)]
    assert [re.findall(r"nc=(\w+)", header) for header in headers] == [["00000001"], ["00000002"]]
    assert all(re.search(r'response="[0-9a-f]{64}"', header) for header in headers)


def test_logins_that_cannot_be() -> None:
    assert not Login("", "").ask(['Basic realm="a"'])
    assert not Login("me", "x").ask(["Negotiate", 'Digest realm="a", nonce="b", algorithm=SHA-512'])
    assert Login("me", "x").ask(["Basic"])


@given(st.lists(st.text()))
def test_any_challenge_is_answered_or_not(challenges: list[str]) -> None:
    login = Login("me", "secret")
    if login.ask(challenges):
        assert "secret" not in login.header("PLAY", "rtsp://cam/1")
