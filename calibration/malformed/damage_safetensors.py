"""Damage to a safetensors file by someone who knows the format: a header that lies, weights that are none. Pure."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from magno.calibration.malformed.damage import Damager, Rng, choice

LENGTH = struct.Struct("<Q")
LENGTHS = (0, 1, 7, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
SIZES = (0, -1, 1, 3, 10**6, 10**12, 2**63, 10**30, 1.5, "4", None)
HALF_NAN, HALF_INFINITY = b"\x00\x7e", b"\x00\x7c"  # float16, as the weights are stored


def length_lies(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """The header's length, which comes first."""
    return LENGTH.pack(choice(rng, LENGTHS)) + data[LENGTH.size :], True


def wrong_shape(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    header, body, name = _parts(data, rng)
    shape = header[name]["shape"]
    if rng.random() < 0.5 and len(shape) > 1 and shape != shape[::-1]:
        header[name]["shape"] = shape[::-1]  # as many numbers
    else:
        header[name]["shape"] = [*shape[1:], choice(rng, SIZES)]
        return _whole(header, body), header[name]["shape"] != shape
    return _whole(header, body), True


def wrong_type(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    header, body, name = _parts(data, rng)
    header[name]["dtype"] = choice(rng, ["I16", "U8", "F64", "F99", "", None, 5, "F32"])
    return _whole(header, body), True


def wrong_offsets(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """Overlapping, backwards, past the end, huge, or not two."""
    header, body, name = _parts(data, rng)
    begin, end = header[name]["data_offsets"]
    other = header[str(choice(rng, [each for each in header if each not in (name, "__metadata__")]))][
        "data_offsets"
    ]
    wrong = [other, [end, begin], [begin + 2, end + 2], [len(body), len(body) + end - begin], [-2, end]]
    wrong += [[begin, 2**63], [2**64, 2**65], [begin], [begin, end, end], None, "0:8", [begin + 0.5, end]]
    header[name]["data_offsets"] = choice(rng, wrong)
    return _whole(header, body), True


def tensor_lost(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    header, body, name = _parts(data, rng)
    del header[name]
    return _whole(header, body), True


def tensor_renamed(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    header, body, name = _parts(data, rng)
    header[str(choice(rng, [name + "x", "", "../" + name, "x" * 100_000]))] = header.pop(name)
    return _whole(header, body), True


def tensor_twice(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    header, body, name = _parts(data, rng)
    text = json.dumps(header)
    return _joined(f"{{{json.dumps(name)}: {json.dumps(header[name])}, {text[1:]}", body), True


def many_tensors(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """A hundred thousand that hold nothing."""
    header, body, _ = _parts(data, rng)
    header |= {f"x{n}": {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}
    return _whole(header, body), True


def not_finite(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """One weight is NaN or infinite."""
    header, body, name = _parts(data, rng)
    begin, end = header[name]["data_offsets"]
    at = begin + 2 * int(rng.integers((end - begin) // 2))
    value = HALF_NAN if rng.random() < 0.5 else HALF_INFINITY
    return _whole(header, body[:at] + value + body[at + 2 :]), True


def more_behind(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    return data + rng.bytes(int(rng.integers(1, 4096))), True


SAFETENSORS: dict[str, Damager] = {
    "a header's length that lies": length_lies,
    "a wrong shape": wrong_shape,
    "a wrong type": wrong_type,
    "wrong offsets": wrong_offsets,
    "a tensor lost": tensor_lost,
    "a tensor renamed": tensor_renamed,
    "a tensor twice": tensor_twice,
    "a hundred thousand tensors": many_tensors,
    "NaN or infinity": not_finite,
    "more behind its end": more_behind,
}


def tiny(shapes: dict[str, tuple[int, ...]]) -> bytes:
    """A sound file of ones in float16."""
    header, body = {}, b""
    for name, shape in shapes.items():
        values = np.ones(shape, np.float16).tobytes()
        header[name] = {
            "dtype": "F16",
            "shape": list(shape),
            "data_offsets": [len(body), len(body) + len(values)],
        }
        body += values
    return _whole(header, body)


def _parts(data: bytes, rng: Rng) -> tuple[dict[str, Any], bytes, str]:
    """Header, weights, and the name of one tensor that holds some."""
    end = LENGTH.size + LENGTH.unpack_from(data)[0]
    header: dict[str, Any] = json.loads(data[LENGTH.size : end])
    names = [name for name, entry in header.items() if name != "__metadata__" and 0 not in entry["shape"]]
    return header, data[end:], str(choice(rng, names))


def _whole(header: dict[str, Any], body: bytes) -> bytes:
    return _joined(json.dumps(header), body)


def _joined(text: str, body: bytes) -> bytes:
    return LENGTH.pack(len(text.encode())) + text.encode() + body
