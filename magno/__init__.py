"""magno: ask a robot's camera, before a deadline."""

__version__ = "0.1.0"
