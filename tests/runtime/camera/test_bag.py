"""A bag as a camera: which topic, which units, and one sentence for whatever is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mcap_ros2")

from mcap.reader import make_reader
from mcap.writer import CompressionType, IndexType, Writer

from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import kind_of, open_source
from magno.runtime.camera.topic import mcap_file
from magno.runtime.camera.topic.bag import chosen_topic
from magno.runtime.camera.topic.mcap_file import unpacked
from magno.runtime.clock import ReplayClock
from magno.runtime.units import AccessUnit
from tests import bags, synthetic

SIZE = (64, 48)
STRINGS = ("/chatter", bags.STRING, bags.RECORDED_NS, {"data": "hello"})


@pytest.fixture(scope="module")
def encoded() -> list[AccessUnit]:
    return synthetic.encode(synthetic.panned(SIZE, (2, 0), 20), gop=10)


def messages(units: list[AccessUnit], topic: str = "/front", kind: str = bags.COMPRESSED) -> list[bags.Said]:
    at_ns = bags.RECORDED_NS
    return [(topic, kind, at_ns, bags.coded_message(kind, unit.data, at_ns + unit.pts_ns)) for unit in units]


def played(path: Path, topic: str = "", until_s: float | None = None) -> list[AccessUnit]:
    request = CameraRequest(str(path), 16, pace="fast", until_s=until_s, topic=topic)
    source = open_source(request, ReplayClock())
    try:
        return list(source.units())
    finally:
        source.close()


@pytest.mark.parametrize("kind", [bags.COMPRESSED, bags.FOXGLOVE, bags.FFMPEG])
@pytest.mark.parametrize("compression", CompressionType)
def test_units_come_out_as_they_were_recorded_at_their_own_stamps(
    kind: str, compression: CompressionType, encoded: list[AccessUnit], tmp_path: Path
) -> None:
    said = [STRINGS, *messages(encoded, kind=kind), STRINGS]
    path = bags.write_bag(tmp_path / "a.mcap", said, compression=compression)
    first_ns = encoded[0].pts_ns
    assert [(unit.data, unit.pts_ns) for unit in played(path)] == [
        (unit.data, unit.pts_ns - first_ns) for unit in encoded
    ]


def test_a_recording_that_begins_between_keys_begins_with_the_next(
    encoded: list[AccessUnit], tmp_path: Path
) -> None:
    found = played(bags.write_bag(tmp_path / "a.mcap", messages(encoded[4:])))
    assert [unit.data for unit in found if unit.data] == [unit.data for unit in encoded[10:]]
    assert found[-1].pts_ns == encoded[-1].pts_ns - encoded[4].pts_ns


def test_without_a_stamp_it_is_when_it_was_recorded(encoded: list[AccessUnit], tmp_path: Path) -> None:
    said = [
        ("/a", bags.COMPRESSED, bags.RECORDED_NS + 7 * n, bags.coded_message(bags.COMPRESSED, unit.data, 0))
        for n, unit in enumerate(encoded)
    ]
    assert [unit.pts_ns for unit in played(bags.write_bag(tmp_path / "a.mcap", said))] == [
        7 * n for n in range(len(encoded))
    ]


def test_at_its_own_pace_each_comes_at_its_time(encoded: list[AccessUnit], tmp_path: Path) -> None:
    path = bags.write_bag(tmp_path / "a.mcap", messages(encoded))
    source = open_source(CameraRequest(str(path), 16), ReplayClock(start_ns=5))
    assert all(unit.capture_ns == 5 + unit.pts_ns for unit in source.units())
    source.close()


def test_until_ends_it(encoded: list[AccessUnit], tmp_path: Path) -> None:
    spread = [replace(unit, pts_ns=n * 10**9) for n, unit in enumerate(encoded)]
    found = played(bags.write_bag(tmp_path / "a.mcap", messages(spread)), until_s=4.0)
    assert len(found) == 6  # and a second for B-pictures


def test_pictures_are_encoded_once_each_and_never_backwards(tmp_path: Path) -> None:
    pictures = synthetic.panned(SIZE, (2, 0), 5)
    at_ns = [0, 1, 1, 0, 2]
    said = [
        ("/raw", bags.IMAGE, bags.RECORDED_NS, bags.image_message(picture, bags.RECORDED_NS + ns))
        for ns, picture in zip(at_ns, pictures, strict=True)
    ]
    found = played(bags.write_bag(tmp_path / "a.mcap", said))
    assert [unit.pts_ns for unit in found] == [0, 1, 2] and found[0].is_key


def test_the_reader_process_decodes_it(encoded: list[AccessUnit], tmp_path: Path) -> None:
    path = bags.write_bag(tmp_path / "a.mcap", messages(encoded))
    with CameraReader(CameraRequest(str(path), 16, pace="fast")) as reader:
        assert reader.opened().container == "mcap"
        frames = list(reader.frames())
    assert len(frames) == len(encoded) and frames[1].motion is not None
    assert np.median(frames[1].motion.mv_qpel[1:-1, 1:-1], axis=(0, 1)).tolist() == [8, 0]


def test_without_its_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mcap").mkdir()
    (tmp_path / "mcap" / "__init__.py").write_text("raise ImportError('absent', name='mcap')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        CameraReader(CameraRequest("a.mcap", 16, pace="fast")) as reader,
        pytest.raises(
            CameraError, match=r"found one missing \(mcap\)\. Install them: pip install 'magno\[bag\]'"
        ),
    ):
        reader.opened()


@pytest.mark.parametrize(
    ("types", "wanted", "found"),
    [
        ({"/a": bags.IMAGE, "/chatter": bags.STRING}, "", "/a"),
        ({"/a": bags.IMAGE, "/b": bags.FOXGLOVE}, "/b", "/b"),
        ({"/a": bags.IMAGE, "/b": bags.FOXGLOVE}, "", "wants a topic named, found /a, /b"),
        ({"/a": bags.IMAGE}, "/front", "Wanted the topic /front, found /a"),
        ({"/chatter": bags.STRING}, "/chatter", "found std_msgs/msg/String"),
        ({"/chatter": bags.STRING}, "", "wants a topic of sensor_msgs.* found /chatter"),
        ({}, "", "found no topic"),
        ({f"/{n:02}": bags.STRING for n in range(30)}, "", "/07 and 22 more"),
    ],
)
def test_the_only_camera_needs_no_name(types: dict[str, str], wanted: str, found: str) -> None:
    if found in types:
        assert chosen_topic(types, wanted) == found
    else:
        with pytest.raises(CameraError, match=found):
            chosen_topic(types, wanted)


def test_a_bag_is_known_by_its_name() -> None:
    assert kind_of("a/b.MCAP") == kind_of("file:///b.mcap") == "bag"
    assert kind_of("a.mcap.mp4") == "file" and kind_of("rtsp://host/b.mcap") == "rtsp"
    with pytest.raises(CameraError, match=r"topic wants a bag .*found clip.mp4"):
        open_source(CameraRequest("clip.mp4", 16, topic="/a"), ReplayClock())
    with pytest.raises(CameraError, match="A loop wants a video file"):
        open_source(CameraRequest("a.mcap", 16, loop=True), ReplayClock())


@pytest.mark.parametrize(
    ("data", "said"), [(None, "cannot be read"), (b"", "cut short"), (b"GIF89a" * 50, "found none")]
)
def test_what_is_no_bag_is_a_sentence(data: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(CameraError, match=said) as fault:
        played(path)
    assert "\n" not in str(fault.value)


def test_a_folder_is_no_bag(tmp_path: Path) -> None:
    (tmp_path / "a.mcap").mkdir()
    with pytest.raises(CameraError, match=r"Name its \.mcap file"):
        played(tmp_path / "a.mcap")


@pytest.mark.parametrize("told", ["png", "h265", ""])
def test_another_coding_is_a_sentence(told: str, tmp_path: Path) -> None:
    fields = bags.coded_message(bags.COMPRESSED, b"\x89PNG", bags.RECORDED_NS, told)
    path = bags.write_bag(tmp_path / "a.mcap", [("/a", bags.COMPRESSED, bags.RECORDED_NS, fields)])
    with pytest.raises(CameraError, match=f"A message of /a wants H.264 or JPEG, found the format '{told}'"):
        played(path)


def test_another_encoding_of_messages_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        schema = writer.register_schema(bags.COMPRESSED, "protobuf", b"")
        channel = writer.register_channel("/a", "protobuf", schema)
        writer.add_message(channel, 0, b"x", 0)
        writer.finish()
    with pytest.raises(CameraError, match=r"wants messages in 'cdr' .* found 'protobuf'"):
        played(path)


@pytest.mark.parametrize("chunked", [True, False])
def test_a_bag_without_a_summary_is_read_all_the_same(
    chunked: bool, encoded: list[AccessUnit], tmp_path: Path
) -> None:
    whole, bare = bags.write_bag(tmp_path / "whole.mcap", [STRINGS, *messages(encoded)]), tmp_path / "a.mcap"
    with whole.open("rb") as stream, bare.open("wb") as out:
        writer = Writer(
            out,
            index_types=IndexType.NONE,
            repeat_channels=False,
            repeat_schemas=False,
            use_chunking=chunked,
            use_statistics=False,
            use_summary_offsets=False,
        )
        writer.start("ros2")
        numbers: dict[int, int] = {}
        for schema, channel, message in make_reader(stream).iter_messages():
            if channel.id not in numbers:
                kind = writer.register_schema(schema.name, schema.encoding, schema.data)
                numbers[channel.id] = writer.register_channel(channel.topic, channel.message_encoding, kind)
            writer.add_message(numbers[channel.id], message.log_time, message.data, message.publish_time)
        writer.finish()
    assert played(bare) == played(whole)


def test_cut_anywhere_it_is_a_sentence(encoded: list[AccessUnit], tmp_path: Path) -> None:
    data = bags.write_bag(tmp_path / "whole.mcap", messages(encoded), chunk_bytes=2000).read_bytes()
    path = tmp_path / "a.mcap"
    for size in [*range(0, 40), *range(40, len(data), 97), *range(len(data) - 40, len(data))]:
        path.write_bytes(data[:size])
        with pytest.raises(CameraError) as fault:
            played(path)
        assert "\n" not in str(fault.value) and "mcap" in str(fault.value)


@pytest.mark.parametrize("compression", CompressionType)
def test_damaged_anywhere_it_is_units_or_a_sentence(
    compression: CompressionType, encoded: list[AccessUnit], tmp_path: Path
) -> None:
    whole = bags.write_bag(
        tmp_path / "whole.mcap", messages(encoded[:4]), compression=compression, chunk_bytes=900
    )
    data, path, rng = whole.read_bytes(), tmp_path / "a.mcap", np.random.default_rng(0)
    faults = 0
    for _ in range(400):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 5)):
            damaged[at] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            played(path)
        except CameraError as fault:
            assert "\n" not in str(fault)
            faults += 1
    assert faults > 100


def test_what_unpacks_without_end_is_refused(
    encoded: list[AccessUnit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = bags.coded_message(bags.COMPRESSED, bytes(1 << 20), bags.RECORDED_NS)
    path = bags.write_bag(tmp_path / "a.mcap", [("/a", bags.COMPRESSED, 1, large)])
    monkeypatch.setattr(mcap_file, "MAX_RECORD_BYTES", 1 << 19)
    with pytest.raises(CameraError, match="a chunk of more than 0 MiB"):
        played(path)


@pytest.mark.parametrize("compression", [CompressionType.LZ4, CompressionType.ZSTD])
def test_a_chunk_that_lies_of_its_size_is_refused(compression: CompressionType, tmp_path: Path) -> None:
    large = bags.coded_message(bags.COMPRESSED, bytes(1 << 20), bags.RECORDED_NS)
    path = bags.write_bag(tmp_path / "a.mcap", [("/a", bags.COMPRESSED, 1, large)], compression=compression)
    with path.open("rb") as stream:
        records = mcap_file.StreamReader(stream, emit_chunks=True).records
        chunk = next(record for record in records if isinstance(record, mcap_file.Chunk))
    assert len(unpacked(chunk).data) == chunk.uncompressed_size
    with pytest.raises(ValueError, match="another size"):
        unpacked(replace(chunk, uncompressed_size=1000))
