"""What several tests of the engine look at."""

from __future__ import annotations

import pytest

from magno.runtime import scheduler as scheduler_module
from magno.runtime.language import LanguageModel
from magno.runtime.together import Appended, Share


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Appended]:
    """The native steps of questions, as they are made."""
    made: list[Appended] = []
    append = scheduler_module.append_together

    def record(model: LanguageModel, shares: list[Share]) -> Appended:
        made.append(append(model, shares))
        return made[-1]

    monkeypatch.setattr(scheduler_module, "append_together", record)
    return made
