"""Figures are not cut off where nobody's terminal says how wide it is."""

from __future__ import annotations

import pytest

from magno.runtime.commands.tables import WIDTH, stdout_console


def test_a_pipe_is_wide_enough(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    stdout_console().print("x" * (WIDTH - 1))
    assert capsys.readouterr().out == "x" * (WIDTH - 1) + "\n"


def test_columns_has_its_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    assert stdout_console().width == 44
