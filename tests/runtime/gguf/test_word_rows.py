"""The rows of words, as the file has them: against the gguf library's own reading of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from magno.runtime.gguf.header import GgufHeader, read_header
from magno.runtime.gguf.tensors import TensorInfo
from magno.runtime.gguf.word_rows import TENSOR, WordRows, WordRowsError

WORDS, WIDTH = 40, 64
KINDS = gguf.GGMLQuantizationType


def rows_of(path: Path) -> np.ndarray:
    tensor = next(each for each in gguf.GGUFReader(path).tensors if each.name == TENSOR)
    return gguf.dequantize(tensor.data, tensor.tensor_type)


def with_words(path: Path, rows: np.ndarray, kind: KINDS) -> WordRows:
    """Those of a file that holds another tensor before them."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_tensor("before", np.zeros(5, np.float32))
    raw = rows if kind is KINDS.F32 else gguf.quantize(rows, kind)
    writer.add_tensor(TENSOR, raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    first, found = gguf.GGUFReader(path).tensors
    info = TensorInfo(TENSOR, (WIDTH, WORDS), int(kind), found.data_offset - first.data_offset)
    return WordRows(path, GgufHeader(3, 2, 1, (info,), first.data_offset))


def test_a_real_file_s_words(tiny_gguf: Path) -> None:
    words = WordRows(tiny_gguf, read_header(tiny_gguf))
    assert words.fault is None
    assert np.array_equal(words.of([5, 0, 511, 5]), rows_of(tiny_gguf)[[5, 0, 511, 5]].astype(np.float32))


@pytest.mark.parametrize("kind", [KINDS.F32, KINDS.F16, KINDS.BF16, KINDS.Q8_0])
def test_every_kind_that_is_read(kind: KINDS, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(WORDS, WIDTH)).astype(np.float32)
    words = with_words(tmp_path / "words.gguf", rows, kind)
    assert np.array_equal(words.of(range(WORDS)), rows_of(tmp_path / "words.gguf"))


def test_a_kind_that_is_not_read_is_told(tiny_gguf: Path) -> None:
    header = read_header(tiny_gguf)
    packed = replace(header, infos=tuple(replace(info, kind=12) for info in header.infos))
    assert "found type 12" in (WordRows(tiny_gguf, packed).fault or "")
    with pytest.raises(WordRowsError, match="found type 12"):
        WordRows(tiny_gguf, packed).of([1])
    assert "found none" in (WordRows(tiny_gguf, replace(header, infos=())).fault or "")


@pytest.mark.parametrize("tokens", [[-1], [512]])
def test_what_is_no_token_is_refused(tokens: list[int], tiny_gguf: Path) -> None:
    with pytest.raises(WordRowsError, match="one of 512"):
        WordRows(tiny_gguf, read_header(tiny_gguf)).of(tokens)


def test_infinite_rows_are_refused(tmp_path: Path) -> None:
    words = with_words(tmp_path / "words.gguf", np.full((WORDS, WIDTH), np.inf, np.float32), KINDS.F32)
    with pytest.raises(WordRowsError, match="finite"):
        words.of([1])
