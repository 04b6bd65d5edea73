"""One question to several cameras: what each of them is asked. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from magno.runtime.units import Query


def query_each(query: Query, cameras: Iterable[str]) -> dict[str, Query]:
    """The question of each camera by its name, each once, in the order given.

    In a conversation each camera has turns of its own: what one showed is no part of another's prompt.
    """
    return {name: replace(query, camera=name, conversation=_own(query, name)) for name in cameras}


def _own(query: Query, camera: str) -> str:
    return f"{query.conversation}@{camera}" if query.conversation else ""
