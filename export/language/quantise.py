"""A GGUF file -> one with smaller weights, by llama.cpp's own quantiser, in a process of its own.

There it can be interrupted, gives its memory back, and tells what it does on a pipe rather than to this process's log.
`python -m magno.export.language.quantise IN OUT FTYPE` is that process.
"""

from __future__ import annotations

import collections
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from magno.export.errors import CheckpointError
from magno.export.language.llm_types import QUANTISED

STEP = re.compile(r"\[\s*(\d+)/\s*(\d+)\]")  # llama.cpp's line on each tensor
LINES_KEPT = 5


def quantise(source: Path, out: Path, llm_type: str, progress: Callable[[int, int], None]) -> None:
    """Write `out` from `source` (f32, f16 or bf16); `progress` is told tensors done and tensors in all.

    Raises CheckpointError with llama.cpp's last words where it refuses.
    """
    command = [sys.executable, "-m", __spec__.name, str(source), str(out), str(QUANTISED[llm_type])]
    last: collections.deque[str] = collections.deque(maxlen=LINES_KEPT)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if step := STEP.search(line):
                    progress(int(step[1]), int(step[2]))
                if line.strip():
                    last.append(line.strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise CheckpointError(
            f"{out.name} wants to be quantised to {llm_type}, found llama.cpp refuse: {' '.join(last)[-300:]}."
        )


def _main(source: str, out: str, ftype: str) -> int:
    import llama_cpp  # only the child process loads it

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = int(ftype)
    return int(llama_cpp.llama_model_quantize(source.encode(), out.encode(), params))


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
