"""Where the past of another process lies in the time of the stream that is watched now."""

from __future__ import annotations

import pytest

from magno.runtime.past.lives import WALL_NS, Life, Moment, shifts

S = 10**9
BOOT = "this"
NOW = Moment(0, 1000 * S, BOOT)


def life(name: str, first: tuple[int, int], last: tuple[int, int], boot: str = BOOT) -> Life:
    """Each end: seconds by the stream's clock and by the machine's."""
    return Life(name, Moment(first[0] * S, first[1] * S, boot), Moment(last[0] * S, last[1] * S, boot))


STAMPED = Life("stamped", Moment(WALL_NS, 5 * S, "other"), Moment(WALL_NS + 60 * S, 65 * S, "other"))


@pytest.mark.parametrize(
    ("lives", "begins", "seconds"),
    [
        ([], NOW, {}),
        # It ended 100 s before: its last picture, at 50 s of its own time, is at -100 s of now.
        ([life("a", (0, 850), (50, 900))], NOW, {"a": -150}),
        # As fast as it was taken: its hour took ten seconds, and stays an hour.
        ([life("a", (0, 890), (3600, 900))], NOW, {"a": -3700}),
        # Each before the one that followed.
        ([life("a", (0, 800), (50, 850)), life("b", (7, 890), (17, 900))], NOW, {"b": -117, "a": -200}),
        # Another boot: no clock goes on over it, and what was before is not placed by it either.
        ([life("a", (0, 850), (50, 900), "other")], NOW, {}),
        ([life("a", (0, 850), (50, 900), "")], Moment(0, 1000 * S, ""), {}),
        ([life("a", (0, 850), (50, 1001))], NOW, {}),  # it was still going on: somebody else's
        # Stamps of a wall clock say it themselves.
        ([STAMPED], Moment(WALL_NS + 100 * S, 3 * S, BOOT), {"stamped": 0}),
        ([STAMPED], Moment(WALL_NS + 30 * S, 3 * S, BOOT), {}),  # that clock went back
        ([STAMPED], NOW, {}),  # the camera gives them no more
    ],
)
def test_a_life_is_placed_before_what_followed(
    lives: list[Life], begins: Moment, seconds: dict[str, int]
) -> None:
    assert shifts(lives, begins) == {name: shift * S for name, shift in seconds.items()}
