"""Cameras: url -> access units -> CodecFrames. Knows no model.

`sources` names the kinds of source, one file each; `worker` is the reader process that decodes; `reader` is its
owner on the engine's side; what crosses between them is `wire`.
"""
