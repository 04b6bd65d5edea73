"""What time stamps tell of lost pictures, and which pictures hang on what was lost: tables and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.camera.decoding.continuity import HEALING_PICTURES, Repeats, Soundness, Steps, is_gap
from magno.runtime.camera.decoding.examine import Facts, of_kind

STEP_NS = 40_000_000
P, I, B = of_kind("P"), of_kind("I"), of_kind("B")  # noqa: E741
NUMBERED = Facts("P", numbered=True, hidden=16)
ENTRY = Facts("I", reach=0, entry=True, numbered=True)


def missing(times: list[float], facts: Facts = P, rate: float = 0.0) -> list[int]:
    steps = Steps(rate)
    return [steps.missing(int(time * STEP_NS), facts, reorders=False) for time in times]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 1, 2, 3, 4], [0, 0, 0, 0, 0]),
        ([0, 1, 2, 4, 5], [0, 0, 0, 1, 0]),
        ([0, 1, 2, 9, 10], [0, 0, 0, 6, 0]),
        ([0, 1, 2.3, 2.9, 4.1, 5], [0, 0, 0, 0, 0, 0]),  # jitter
        ([0, 1, 2, 2, 3], [0, 0, 0, -1, 0]),  # came twice
        ([5, 6, 7, 6, 8], [0, 0, 0, -1, 1]),  # came before
        ([5, 6, 7, 0, 1, 2], [0, 0, 0, -1, 0, 0]),  # the clock was set
        ([0, 2, 4, 6, 8], [0, 0, 0, 0, 0]),  # at half the rate
        ([7], [0]),
    ],
)
def test_jump_against_the_usual_step_is_a_gap(times: list[float], expected: list[int]) -> None:
    assert missing(times) == expected


def test_first_step_is_judged_by_the_rate_that_the_source_says() -> None:
    assert missing([0, 2, 3], rate=25.0) == [0, 1, 0] and missing([0, 2, 3]) == [0, 0, 0]


@given(st.integers(1, 10**9), st.integers(4, 40), st.integers(2, 30), st.floats(-0.2, 0.2))
def test_any_lost_picture_shows_at_any_rate(step_ns: int, before: int, jump: int, jitter: float) -> None:
    times = [index * step_ns for index in range(before)]
    times.append(int(times[-1] + (jump + jitter) * step_ns))
    steps = Steps()
    found = [steps.missing(time, P, reorders=False) for time in times]
    assert found[:-1] == [0] * before and found[-1] >= 1


@given(st.lists(st.integers(-(2**62), 2**62), max_size=60), st.lists(st.sampled_from([P, I, B, NUMBERED])))
def test_any_times_raise_nothing(times: list[int], kinds: list[Facts]) -> None:
    steps = Steps()
    for time, facts in zip(times, kinds, strict=False):
        assert steps.missing(time, facts, reorders=False) >= -1


@pytest.mark.parametrize(
    ("stream", "gaps"),
    [
        ("I0 P3 B1 B2 P6 B4 B5 P9 B7 B8", []),
        ("I0 P3 B1 B2 P6 B5 P9 B7 B8", []),  # nothing refers to a B-picture
        ("I0 P3 B1 B2 B4 B5 P9 B7 B8", [4, 5]),  # P6
        ("I0 P3 B1 B2 P6 B4 B5 P9 B7 B8 P15 B13", [10]),
        (
            "I6 B4 B5 P9 B7 B8",
            [],
        ),  # joined at an intra picture: what is shown before it hangs on nothing known
    ],
)
def test_b_pictures_stand_between_the_pictures_they_refer_to(stream: str, gaps: list[int]) -> None:
    steps, found = Steps(), []
    for index, word in enumerate(stream.split()):
        facts = of_kind(word[0])
        if is_gap(facts, steps.missing(int(word[1:]) * STEP_NS, facts, reorders=True)):
            found.append(index)
    assert found == gaps


@pytest.mark.parametrize(
    ("stream", "gaps"),
    [
        ("I0 P4 B1 B2 B3 P5 P9 B6 B7 B8 I10 P13 B11 B12", []),  # as many B-pictures as the encoder likes
        ("I0 P3 B1 B2 P6 B4 B5 B8 P12 B10", [7, 8]),  # an IDR and a P-picture: its number goes on
        ("I0 P3 B1 B2 P6 B4 B5 P13", [7]),
        ("I0 B1 B2 B3 B4 B6", []),  # B-slices that look back alone
    ],
)
def test_pictures_whose_numbers_go_on_though_something_was_lost(stream: str, gaps: list[int]) -> None:
    steps, found = Steps(), []
    for index, word in enumerate(stream.split()):
        facts = Facts(word[0], word[0] != "B", numbered=True, hidden=2)
        if is_gap(facts, steps.missing(int(word[1:]) * STEP_NS, facts, reorders=False)):
            found.append(index)
    assert found == gaps


@pytest.mark.parametrize(
    ("facts", "by_time", "gap"),
    [
        (NUMBERED, 0, False),
        (NUMBERED, 15, False),  # the camera paused, and its numbers go on
        (NUMBERED, 16, True),  # they may have wrapped
        (Facts("P", numbered=True, hidden=3), 3, True),  # an IDR may be among what is missing
        (Facts("P", numbered=True, hidden=16, missing=2), 0, True),
        (Facts("P", numbered=True, hidden=16, missing=-1), 0, True),
        (ENTRY, 100, False),  # nothing hangs on it
        (P, 1, True),
        (P, -1, True),
    ],
)
def test_number_and_time_together(facts: Facts, by_time: int, gap: bool) -> None:
    assert is_gap(facts, by_time) is gap


def test_unit_that_came_twice_is_told_from_one_like_it_long_ago() -> None:
    repeats = Repeats()
    units = [bytes([number]) for number in range(6)]
    assert not any(repeats.again(unit) for unit in units)
    assert repeats.again(units[5]) and repeats.again(units[3]) and not repeats.again(units[0])


def sound(stream: str) -> str:
    """Which pictures are, as + and -; of those that are not, ~ are healing. Letters: i I-picture, d IDR, r recovery
    point of 2, p P of one reference, w P of two, b B-picture that is none; before it, ! is a loss and x damage. Time is
    the place, less 3 for l, a B-picture that is shown earlier."""
    facts = {
        "i": Facts("I", reach=0),
        "d": ENTRY,
        "r": Facts("P", recovery=2),
        "p": Facts("P", reach=1),
        "w": Facts("P", reach=2),
        "b": Facts("B", False, reach=2),
        "l": Facts("B", False, reach=2),
    }
    state, found, flags = Soundness(), "", ""
    for place, letter in enumerate(stream):
        if letter in "!x":
            flags += letter
            continue
        time = place - 3 if letter == "l" else place
        whole = state.step(facts[letter], time, gap="!" in flags, damaged="x" in flags)
        assert not (whole and state.is_healing)
        found, flags = found + ("+" if whole else "~" if state.is_healing else "-"), ""
    return found


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("dppp", "++++"),
        ("pppdp", "---++"),  # joined in the middle
        ("dp!ppipp", "++-~+++"),  # what follows the picture after a loss is healing
        ("dp!pwwp", "++--~~"),  # with two references, once both came
        ("dp!pp!ppxppp", "++-~-~--~"),
        ("p!ppp", "----"),  # nothing was ever whole
        ("dp!ppiwppw", "++-~+~~~~"),  # two references: one of them is from before the intra picture
        ("dp!ppipwpw", "++-~+++++"),
        ("dpxppdp", "++--++"),
        ("dpxbpp", "++-++"),  # nothing hangs on a B-picture
        ("dp!prpppp", "++-~~+++"),  # the second reference picture after the recovery point is right
        ("dp!prp!prppp", "++-~~-~~++"),
        ("rppp", "--++"),
        ("dp!prppl", "++-~~+-"),  # shown before the refresh was complete
        ("dp!xdpp", "++--~"),
    ],
)
def test_what_hangs_on_what(stream: str, expected: str) -> None:
    assert sound(stream) == expected


def test_stream_that_says_nothing_heals_in_time() -> None:
    assert sound("d!" + "p" * (HEALING_PICTURES + 3)) == "+-" + "~" * (HEALING_PICTURES - 1) + "+++"


@given(st.text("idrpwb!x", max_size=80))
def test_after_a_loss_nothing_is_sound_but_intra_pictures_and_what_follows_them(stream: str) -> None:
    found, healed, index = sound(stream), False, 0
    for place, letter in enumerate(stream):
        if letter == "!":
            healed = False
        elif letter in "idr":
            healed = True
        if letter not in "!x":
            assert healed or found[index] != "+", (stream, place)
            index += 1
