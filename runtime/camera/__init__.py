"""Cameras: url -> access units -> CodecFrames. Knows no model.

Here: the table of sources (`sources`), a file each but for `network/`; the table of decoders (`decoders`); what a
reader is asked (`request`) and what a source's vectors mean (`caps`). In folders: `process`, the reader process and
its owner; `decoding`, pictures and vectors in software; `h264`, its bytes; `network`, urls; `hardware`, NVDEC and
Jetson.
"""
