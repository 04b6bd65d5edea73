"""Does a source of vectors tell the truth? Known motion in, verdicts out. Knows no model.

`known_motion` makes pictures whose motion is exact, `encoding` makes streams of them, `vector_sources` names what
turns either into CodecFrames, `tests` is the table of what is asked of them, `suite` asks it. `photometric` calibrates
an ordinary camera on what it happens to see. `cli` is `magno inspect --conformance`.
"""
