"""An MCAP file: its topics, and the messages of one. The only file that imports mcap; knows no camera.

A file is hostile until read: records and what chunks unpack to are bounded, checksums are compared, and whatever the
library finds wrong is one sentence.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from magno.runtime.camera.request import CameraError, reason_of

try:
    import lz4.frame
    import zstandard
    from mcap.exceptions import EndOfFile, InvalidMagic
    from mcap.reader import SeekingReader
    from mcap.records import Channel, Chunk, McapRecord, Message, Schema
    from mcap.stream_reader import StreamReader, breakup_chunk
    from mcap_ros2.decoder import DecoderFactory
except ImportError as error:
    raise CameraError(
        f"A bag wants the libraries mcap and mcap-ros2-support, found one missing ({error.name}). Install them: "
        "pip install 'magno[bag]'."
    ) from error

MAGIC = b"\x89MCAP0\r\n"  # a file begins with it, and ends with it once it was closed
MAX_RECORD_BYTES = 512 << 20  # of a record, and of what a chunk unpacks to
ENCODING = "cdr"  # of ROS 2's messages


class McapFile:
    """An open file. Close it, and read it once: `topics`, then `messages`."""

    def __init__(self, path: Path) -> None:
        """Raises CameraError where it cannot be read."""
        self._path = path
        self._channels: dict[int, Channel] = {}
        self._schemas: dict[int, Schema] = {}
        try:
            self._stream = path.open("rb")
        except (OSError, ValueError) as error:
            raise CameraError(
                f"Wanted a bag at {str(path)[:500]!r}, found that it cannot be read ({reason_of(error)}). "
                "Name its .mcap file."
            ) from error

    def close(self) -> None:
        self._stream.close()

    def topics(self) -> dict[str, str]:
        """Topic -> type of its messages, as "sensor_msgs/msg/Image". Raises CameraError."""
        with self._told():
            if self._stream.seek(0, io.SEEK_END) < 2 * len(MAGIC):
                raise EndOfFile
            self._stream.seek(-len(MAGIC), io.SEEK_END)
            if (end := self._stream.read()) != MAGIC:
                raise InvalidMagic(end)
            self._stream.seek(0)
            summary = SeekingReader(self._stream, record_size_limit=MAX_RECORD_BYTES).get_summary()
            if summary is not None and summary.channels:
                self._channels, self._schemas = dict(summary.channels), dict(summary.schemas)
            else:  # a recorder may leave the summary out
                for _ in self._records():
                    pass
            return {channel.topic: self._type_of(channel) for channel in self._channels.values()}

    def messages(self, topic: str) -> Iterator[tuple[int, object]]:
        """When each message of a topic was recorded, in nanoseconds, and the message; as they lie in the file.

        Raises CameraError for damage, and for a topic that is not in ROS 2's own encoding.
        """
        factory, decoders = DecoderFactory(), dict[int, Callable[[bytes], object]]()
        with self._told():
            for record in self._records():
                if not isinstance(record, Message):
                    continue
                channel = self._channels[record.channel_id]
                if channel.topic != topic:
                    continue
                if channel.id not in decoders:
                    decoders[channel.id] = self._decoder(factory, channel)
                yield record.log_time, decoders[channel.id](record.data)

    def _decoder(self, factory: DecoderFactory, channel: Channel) -> Callable[[bytes], object]:
        schema = self._schemas.get(channel.schema_id)
        decoder: Callable[[bytes], object] | None = factory.decoder_for(channel.message_encoding, schema)
        if decoder is None:
            found = f"{channel.message_encoding[:40]!r} by {schema.encoding[:40] if schema else 'none'!r}"
            raise CameraError(
                f"Topic {channel.topic[:80]} wants messages in {ENCODING!r} by a schema in 'ros2msg', found {found}. "
                "Record it with ros2 bag."
            )
        return decoder

    def _records(self) -> Iterator[McapRecord]:
        """Everything from the file's start, what chunks hold among it; channels and schemas are remembered."""
        self._stream.seek(0)
        reader = StreamReader(self._stream, emit_chunks=True, record_size_limit=MAX_RECORD_BYTES)
        for record in reader.records:
            held = (
                breakup_chunk(unpacked(record), validate_crc=True) if isinstance(record, Chunk) else [record]
            )
            for one in held:
                if isinstance(one, Channel):
                    self._channels[one.id] = one
                elif isinstance(one, Schema):
                    self._schemas[one.id] = one
                yield one

    def _type_of(self, channel: Channel) -> str:
        schema = self._schemas.get(channel.schema_id)
        return schema.name if schema is not None else ""

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever the library raises for what it reads is one sentence."""
        try:
            yield
        except CameraError:
            raise
        except (EndOfFile, InvalidMagic, OSError) as error:
            raise CameraError(
                f"Wanted a whole MCAP file at {str(self._path)[:500]}, found none, or one cut short. Name a bag that "
                "was closed, or mend it with `mcap recover`."
            ) from error
        except Exception as error:  # a stranger's bytes: struct.error, KeyError, MemoryError and more
            said = " ".join(str(error).split())[:120] or type(error).__name__
            raise CameraError(
                f"Wanted an intact MCAP file at {str(self._path)[:500]}, found damage ({said}). Mend it with "
                "`mcap recover`, or use another copy."
            ) from error


def unpacked(chunk: Chunk) -> Chunk:
    """The same without compression. Raises ValueError for one that does not unpack to the size that it says."""
    size, data = chunk.uncompressed_size, chunk.data
    if size > MAX_RECORD_BYTES:
        raise ValueError(f"a chunk of more than {MAX_RECORD_BYTES >> 20} MiB")
    if chunk.compression == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            data = stream.read(size + 1)
    elif chunk.compression == "lz4":
        data = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    elif chunk.compression:
        raise ValueError(f"a chunk in {chunk.compression[:40]!r}")
    if len(data) != size:
        raise ValueError(f"a chunk of another size than the {size} bytes that it says")
    return dataclasses.replace(chunk, compression="", data=data)
