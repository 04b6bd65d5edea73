"""Damage to a JSON file: values that lie, keys that are wrong, text that is none. Pure."""

from __future__ import annotations

import json
from typing import Any

from magno.calibration.malformed.damage import Damager, Rng, choice

DEEP = 100_000
# JSON texts that somebody may put in the place of any value.
VALUES = (
    "null", "true", "0", "-1", "1", "7", "1e9", "1000000000", "9223372036854775808", "1" + "0" * 400, "1e308", "-0.5",
    "1e-300", "NaN", "Infinity", '""', '"x"', '"../../../../etc/passwd"', '"/etc/passwd"', '"\\u0000"', '"\\ud800"',
    "[]", "{}", "[[]]", "[null]", '{"a": 1}', '"' + "x" * 100_000 + '"', "[" * 500 + "]" * 500,
    "[" + "1," * 20_000 + "1]",
)  # fmt: skip
HOLE = "\x00hole\x00"  # where a value's text goes


def other_value(text: bytes, rng: Rng) -> tuple[bytes, bool]:
    """Any value, small or large, is another."""
    values = json.loads(text)
    place, key = _somewhere(values, rng)
    place[key] = HOLE
    return _filled(values, choice(rng, VALUES)), False


def near_value(text: bytes, rng: Rng) -> tuple[bytes, bool]:
    """A number is off by one, doubled, negative or huge; a word has a letter more."""
    values = json.loads(text)
    place, key = _somewhere(values, rng)
    found = place[key]
    if isinstance(found, bool) or not isinstance(found, int | float):
        place[key] = f"{found}x"
    else:
        place[key] = choice(rng, [found + 1, found - 1, found * 2, -found, found * 10**6])
    return json.dumps(values).encode(), False


def key_lost(text: bytes, rng: Rng) -> tuple[bytes, bool]:
    values = json.loads(text)
    place, key = _somewhere(values, rng)
    del place[key]
    return json.dumps(values).encode(), False


def key_more(text: bytes, rng: Rng) -> tuple[bytes, bool]:
    """A key that nobody knows, in the outermost object."""
    values = json.loads(text)
    values["surprise"] = 1
    return json.dumps(values).encode(), False


def key_twice(text: bytes, rng: Rng) -> tuple[bytes, bool]:
    values = json.loads(text)
    key = str(choice(rng, list(values)))
    inner = json.dumps(values)[1:]
    return f"{{{json.dumps(key)}: null, {inner}".encode(), False


def deep(text: bytes, rng: Rng) -> tuple[bytes, bool]:
    """Brackets without end."""
    opening = "[" if rng.random() < 0.5 else '{"a":'
    return (opening * DEEP).encode(), True


def not_an_object(text: bytes, rng: Rng) -> tuple[bytes, bool]:
    return str(choice(rng, ["[]", "1", '"x"', "null", "true"])).encode(), True


def other_encoding(text: bytes, rng: Rng) -> tuple[bytes, bool]:
    """UTF-16, a byte order mark, or bytes that are no text."""
    plain = text.decode("utf-8")
    encoded = [plain.encode("utf-16"), b"\xef\xbb\xbf" + text, text[:-2] + b"\xff\xfe" + text[-2:]]
    return encoded[int(rng.integers(3))], True


JSON: dict[str, Damager] = {
    "another value": other_value,
    "a value that is nearly right": near_value,
    "a key lost": key_lost,
    "a key more": key_more,
    "a key twice": key_twice,
    "nested without end": deep,
    "no object": not_an_object,
    "another encoding": other_encoding,
}


def _somewhere(values: Any, rng: Rng) -> tuple[Any, Any]:
    """A place in the tree: what holds it, and its key. Each level is as likely as the next."""
    place, key = None, None
    while isinstance(values, dict | list) and values:
        keys = list(values) if isinstance(values, dict) else list(range(len(values)))
        place, key = values, keys[int(rng.integers(len(keys)))]
        values = place[key]
        if rng.random() < 0.3:
            break
    return place, key


def _filled(values: Any, text: str) -> bytes:
    return json.dumps(values).replace(json.dumps(HOLE), text).encode()
