"""What a model is told where another scene begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from magno.runtime.bundle import open_bundle
from magno.runtime.language import LanguageConfig, LanguageModel
from magno.runtime.spec import SpecError
from magno.runtime.stream import LiveStream, misfit
from magno.runtime.units import Encoded, SpanKind
from tests.tiny import LAYOUT

CUT = replace(LAYOUT, cut_text="Another scene.<|keyframe|>")


def test_a_layout_without_a_text_for_cuts_says_the_same_of_all() -> None:
    assert LAYOUT.text_before_keyframe(3.0, is_cut=True) == LAYOUT.text_before_keyframe(3.0) == "<|keyframe|>"
    assert CUT.text_before_keyframe(3.0) == "<|keyframe|>"
    timed = replace(LAYOUT, cut_text="cut at {seconds:.1f}")
    assert timed.text_before_keyframe(3.0, is_cut=True) == "cut at 3.0"


@pytest.mark.parametrize("text", ["{}", "{seconds.real}", "{seconds:>99}", "}"])
def test_it_may_ask_for_the_time_alone(text: str) -> None:
    with pytest.raises(SpecError, match="cut_text wants plain text"):
        replace(LAYOUT, cut_text=text)


def test_the_stream_tells_cuts_and_counts_their_tokens(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    spec = replace(bundle.spec, layout=CUT)
    with LanguageModel.open(bundle.llm, LanguageConfig(1024, threads=1)) as language:
        plain, cut = (
            len(language.tokenize(CUT.text_before_keyframe(0.0, is_cut=is_cut), special=True))
            for is_cut in (False, True)
        )
        assert cut > plain
        stream, before = LiveStream(language, spec, 400), 0
        lengths = []
        for number, is_cut in enumerate((False, False, True, False)):
            rows = np.zeros((spec.layout.keyframe_tokens, spec.embed_dim), np.float32)
            stream.append(Encoded(SpanKind.KEYFRAME, rows, number, number, number, 1, is_cut))
            seen = stream.seen()
            assert seen is not None
            lengths.append(seen.cached_tokens - before)
            before = seen.cached_tokens
        stream.release()
        keyframe = spec.layout.keyframe_tokens
        assert lengths[1:] == [plain + keyframe, cut + keyframe, plain + keyframe]
        # The budget has room for the longer of the two.
        refused = misfit(language, spec, 10)
        assert refused is not None and misfit(language, replace(spec, layout=LAYOUT), 10) != refused
