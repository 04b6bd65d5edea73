"""Where tensors lie in a GGUF file."""

from __future__ import annotations

import dataclasses

import gguf
import pytest

from magno.runtime.gguf.tensors import BLOCKS, TensorInfo, check_tensors
from magno.runtime.gguf.walk import GgufError

FIRST, SECOND = TensorInfo("a", (64, 2), 0, 0), TensorInfo("b", (64,), 8, 512)  # float32, then q8_0
SIZE_BYTES = 128 + 512 + 68  # the header ends at 100, padded to 128


def test_weights_are_no_integers() -> None:
    whole = {
        kind.value for kind in gguf.GGMLQuantizationType if kind.name in ("I8", "I16", "I32", "I64", "F64")
    }
    assert len(whole) == 5 and not whole & set(BLOCKS)


def test_the_table_of_types_is_ggufs() -> None:
    assert {
        int(kind): sizes for kind, sizes in gguf.GGML_QUANT_SIZES.items() if int(kind) in BLOCKS
    } == BLOCKS


def test_tensors_one_after_another_pass() -> None:
    check_tensors([FIRST, SECOND], 100, 32, SIZE_BYTES, "x.gguf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offset": 480}, "'b' wants to begin at 512, found 480"),
        ({"offset": 2**63}, "'b' wants to begin at 512"),
        ({"kind": 4}, "wants a known type, found type 4"),
        ({"kind": 2**32 - 1}, "wants a known type"),
        ({"kind": 26}, "wants a known type"),  # int32: llama.cpp would end the process at its first use
        ({"shape": (65,)}, "in rows of 32's multiples"),
        ({"shape": (0,)}, "wants 1 to"),
        ({"shape": (2**32, 2**32)}, "wants 1 to"),
        ({"shape": (96,)}, "wants to end at 742, found the file end at 708"),
        ({"name": "a"}, "wants a name of its own"),
        ({"name": ""}, "wants a name of its own"),
        ({"name": "n" * 64}, "wants a name of its own, of 1 to 63 bytes"),
    ],
)
def test_others_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(GgufError, match=message):
        check_tensors([FIRST, dataclasses.replace(SECOND, **change)], 100, 32, SIZE_BYTES, "x.gguf")
