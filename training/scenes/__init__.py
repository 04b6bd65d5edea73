"""The world: short scenes of things, a camera and light, with the exact truth of every picture. Knows no codec.

    seed -> compose.py -> Scene (nouns.py) -> film.py -> pictures and their Truth (truth.py)

Deterministic by seed. Lengths are pixels of the rendered picture, +x right, +y down; world coordinates are those
pixels too, with the origin in the middle of the first picture.
"""
