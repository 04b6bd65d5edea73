"""What keyframes showed is found again, as long as it is kept."""

from __future__ import annotations

import threading

import numpy as np

from magno.runtime.past.meaning import directions
from magno.runtime.past.recollection import BLOCK, Recollection
from magno.runtime.units import Encoded, SpanKind

WIDTH, ROWS = 64, 12
S = 10**9


def shown(gop: int) -> list[Encoded]:
    """A keyframe that holds the word of its number's, and a window, a second each."""
    rows = np.full((ROWS, WIDTH), 0.1, np.float32)
    rows[5] = np.random.default_rng(gop).normal(size=WIDTH)
    kinds = ((SpanKind.KEYFRAME, rows), (SpanKind.WINDOW, rows[:2]))
    return [Encoded(kind, rows, gop, (2 * gop + at) * S, 0, 1 + at) for at, (kind, rows) in enumerate(kinds)]


def word(gop: int) -> list[np.ndarray]:
    return [directions(np.random.default_rng(gop).normal(size=(1, WIDTH)))]


def filled(gops: int, most: int = 10_000) -> Recollection:
    recollection = Recollection(most)
    for gop in range(gops):
        for item in shown(gop):
            recollection.add(item)
    return recollection


def test_a_moment_is_the_end_of_the_gop_that_is_meant() -> None:
    gops = 2 * BLOCK + 10
    recollection = filled(gops)
    for gop in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK, gops - 1):
        assert recollection.moment_ns(word(gop)) == (2 * gop + 1) * S


def test_what_is_not_remembered_any_more_is_not_meant() -> None:
    recollection = filled(20)
    assert recollection.moment_ns(word(3), 7 * S) == 7 * S
    assert recollection.moment_ns(word(3), 8 * S) != 7 * S
    assert recollection.moment_ns(word(3), 1000 * S) is None


def test_it_is_bounded() -> None:
    recollection = filled(6 * BLOCK, most=2 * BLOCK)
    assert sum(len(block.ends_ns) for block in recollection._all()) <= 3 * BLOCK
    assert (
        recollection.moment_ns(word(0)) != S
        and recollection.moment_ns(word(5 * BLOCK)) == (10 * BLOCK + 1) * S
    )


def test_nothing_was_shown_or_nothing_is_named() -> None:
    assert Recollection().moment_ns(word(0)) is None
    assert filled(3).moment_ns([]) is None
    windows_first = Recollection()
    windows_first.add(shown(0)[1])
    assert windows_first.moment_ns(word(0)) is None


def test_it_is_searched_while_it_grows() -> None:
    recollection, faults = filled(BLOCK), []

    def search() -> None:
        for _ in range(30):
            if recollection.moment_ns(word(7)) != 15 * S:
                faults.append("not found")

    searching = [threading.Thread(target=search) for _ in range(3)]
    for thread in searching:
        thread.start()
    for gop in range(BLOCK, 3 * BLOCK):
        for item in shown(gop):
            recollection.add(item)
    for thread in searching:
        thread.join()
    assert not faults
