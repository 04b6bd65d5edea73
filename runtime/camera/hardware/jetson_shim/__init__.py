"""C that talks to a Jetson's encoder, compiled on the device against its own header.

    python -m magno.runtime.camera.hardware.jetson_shim

NVIDIA's structure of a motion vector grew twice (4, 20, 68 bytes) and its control numbers moved: only the compiler on
the device knows them. What is built is kept with the release it was built for, and refused on another.
"""
