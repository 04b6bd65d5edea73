"""What engines are built for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.export.engines.target import Target, choose_target, parse_batch
from magno.runtime.backends import EncoderError
from magno.runtime.backends.engine_record import Gpu, is_batch

RTX_MEMBERS = ("NONE", "CURRENT", "SM75", "SM80", "SM86", "SM89", "SM120")
ADA, HOPPER, TURING = Gpu("RTX 4090", "8.9"), Gpu("H100", "9.0"), Gpu("RTX 2080", "7.5")


@pytest.mark.parametrize(
    ("gpu", "members", "target"),
    [
        (None, RTX_MEMBERS, Target(None, ("8.0", "8.6", "8.9", "12.0"))),  # not Turing, which wants its own
        (ADA, RTX_MEMBERS, Target(ADA, ("8.9",))),
        (TURING, RTX_MEMBERS, Target(TURING, ("7.5",))),
        (HOPPER, (), Target(HOPPER, ("9.0",))),
    ],
)
def test_engines_are_for_the_gpu_that_is_here_or_for_all(
    gpu: Gpu | None, members: tuple[str, ...], target: Target
) -> None:
    assert choose_target(gpu, members) == target


def test_a_gpu_that_the_library_does_not_know_is_refused() -> None:
    with pytest.raises(EncoderError, match=r"12.0, found 9.0 \(H100\): build with --engine tensorrt"):
        choose_target(HOPPER, RTX_MEMBERS)


@pytest.mark.parametrize(
    ("text", "batch"), [("1,1,1", (1, 1, 1)), ("1, 2 ,4", (1, 2, 4)), ("8,8,1024", (8, 8, 1024))]
)
def test_a_profile_is_three_batches(text: str, batch: tuple[int, int, int]) -> None:
    assert parse_batch(text) == batch


@pytest.mark.parametrize(
    "text", ["", "1", "1,2", "1,2,3,4", "0,1,2", "2,1,2", "1,1,1025", "a,b,c", "1,-1,2", "1,²,3"]
)
def test_another_profile_is_one_sentence(text: str) -> None:
    with pytest.raises(EncoderError, match="--profile wants MIN,OPT,MAX"):
        parse_batch(text)


@given(st.text(max_size=30))
def test_any_text_is_a_batch_or_one_sentence(text: str) -> None:
    try:
        assert is_batch(parse_batch(text))
    except EncoderError as error:
        assert "\n" not in str(error)
