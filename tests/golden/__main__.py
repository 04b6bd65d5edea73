"""`python -m tests.golden` records the golden trace anew: when what the engine decides was changed on purpose."""

from __future__ import annotations

import tempfile
from pathlib import Path

from magno.runtime.trace_file import write_lines
from tests.golden import TRACE, played
from tests.golden.bundle import golden_bundle

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_lines(TRACE, played(golden_bundle(Path(folder))).spans, 0, wall=False)
    print(f"wrote {TRACE}")
