"""A language model and its tokenizer -> one GGUF file that llama.cpp opens.

Key and tensor names are those of llama.cpp's converter (gguf's own tables hold them). The weights are streamed; a
quantised type is made by llama.cpp's own quantiser from a file that is written first and then dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gguf import GGUFWriter

from magno.export.checkpoint import Checkpoint
from magno.export.errors import CheckpointError
from magno.export.families import open_source
from magno.export.language.architectures import add_model, architecture_of
from magno.export.language.llm_types import LLM_TYPES, QUANTISED
from magno.export.language.quantise import quantise
from magno.export.language.tokenizer import add_tokenizer, read_chat_template, read_table
from magno.export.language.weights import FILE_TYPES, Placed, add_info, place, write_tensor
from magno.export.source import LanguageSource
from magno.export.weights.tensors import Tensors
from magno.runtime.whole import aside, whole_file

Progress = Callable[[str, int, int], None]  # step, how many tensors are done, how many there are
WRITE, QUANTISE = "llm.gguf", "quantise llm.gguf"


def gguf_from_language(
    source: LanguageSource,
    out: Path,
    llm_type: str,
    stop_text: str,
    progress: Progress = lambda step, done, total: None,
) -> None:
    """Write `out`, aside and then renamed; the same source gives the same bytes.

    Raises CheckpointError for a type that is none, and for a model or tokenizer that llama.cpp would run differently;
    OSError where it cannot be written.
    """
    if llm_type not in LLM_TYPES:
        raise CheckpointError(f"llm_type wants one of {', '.join(LLM_TYPES)}, found {llm_type!r:.40}.")
    small = aside(out, "small")
    try:
        with whole_file(out) as part:
            if llm_type not in QUANTISED:
                _write(source, part, llm_type, stop_text, progress)
            else:
                _write(source, small, _unquantised(source.tensors), stop_text, progress)
                quantise(small, part, llm_type, lambda done, total: progress(QUANTISE, done, total))
    finally:
        small.unlink(missing_ok=True)


def gguf_from_checkpoint(checkpoint: Path | Checkpoint, out: Path, llm_type: str = "f16") -> None:
    """`gguf_from_language` of a whole checkpoint's folder. Raises SpecError besides."""
    source = open_source(checkpoint.folder if isinstance(checkpoint, Checkpoint) else checkpoint)
    gguf_from_language(source.language, out, llm_type, source.spec.layout.stop_text)


def _write(source: LanguageSource, out: Path, llm_type: str, stop_text: str, progress: Progress) -> None:
    """Everything is checked before the first byte of weights is read."""
    architecture = architecture_of(source.architecture, source.config)
    placed = place(source.tensors, source.config, architecture, llm_type)
    writer = GGUFWriter(out, architecture.name)
    try:
        writer.add_file_type(FILE_TYPES[llm_type][0])
        add_model(writer, source.config, source.name)
        add_tokenizer(writer, read_table(source.folder, source.config.vocab_size), source.config, stop_text)
        if (template := read_chat_template(source.folder)) is not None:
            writer.add_chat_template(template)
        for tensor in placed:
            add_info(writer, tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        _write_tensors(writer, placed, progress)
    finally:
        writer.close()


def _write_tensors(writer: GGUFWriter, placed: list[Placed], progress: Progress) -> None:
    assert writer.fout is not None  # it is open: the header is written
    (file,) = writer.fout
    for done, tensor in enumerate(placed):
        progress(WRITE, done, len(placed))
        writer.write_padding(file, file.tell())
        write_tensor(file, tensor)
    writer.write_padding(file, file.tell())
    progress(WRITE, len(placed), len(placed))


def _unquantised(tensors: Tensors) -> str:
    """The type that loses nothing of what is stored."""
    stored = {tensor.dtype for tensor in tensors.values() if len(tensor.shape) > 1}
    return {frozenset({"F16"}): "f16", frozenset({"BF16"}): "bf16"}.get(frozenset(stored), "f32")
