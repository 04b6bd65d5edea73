"""Access units -> CodecFrames in software: pictures, vectors, the reference of each, and what is sound."""
