"""`python -m magno.runtime.camera.hardware.jetson_shim`: compile the shim for the Jetson that this runs on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from magno.runtime.camera.hardware.jetson_library import JetsonLibrary
from magno.runtime.camera.hardware.jetson_shim.build import BUILD, HEADER, INCLUDES, build
from magno.runtime.camera.hardware.jetson_shim.release import read_release
from magno.runtime.camera.request import CameraError

BAD_INPUT = 2


def main() -> int:
    parser = argparse.ArgumentParser(
        prog=BUILD, description="Compile what reads a Jetson encoder's motion vectors."
    )
    parser.add_argument(
        "--include", type=Path, metavar="DIR", help=f"where {HEADER} is, if not in its usual place"
    )
    args = parser.parse_args()
    try:
        release = read_release()
        usual = next((path for path in INCLUDES if (path / HEADER).is_file()), INCLUDES[0])
        built = build(args.include or usual, release)
        library = JetsonLibrary(built)
    except CameraError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    print(
        f"built for {release.board}, L4T {release.l4t}: vectors of {library.vector_bytes} bytes, in {built.library}"
    )
    print("its vectors are used once `magno inspect --conformance jetson` has passed here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
