"""Finds the moment that a question without a time is about: before it is admitted, on the thread of whoever asks.

So that looking up delays nobody else, and is paid from the question's own deadline: admission counts what is left.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from magno.runtime.language import LanguageModel
from magno.runtime.past.ago import ago_s
from magno.runtime.past.meaning import Likeness, directions, phrases
from magno.runtime.questions.refusal import camera_of
from magno.runtime.questions.ticket import Ticket
from magno.runtime.streams import Streams
from magno.runtime.units import MagnoError
from magno.runtime.watcher import Watcher


class LookUp:
    """For questions with Query.recall. From any thread."""

    def __init__(
        self,
        language: LanguageModel,
        streams: Streams,
        watchers: Mapping[str, Watcher],
        wake: threading.Condition,
    ) -> None:
        """`watchers` are changed under `wake`."""
        self._language, self._streams = language, streams
        self._watchers, self._wake = watchers, wake

    def of(self, ticket: Ticket) -> str | None:
        """Tell the ticket its moment, where there is one to be found; why it cannot be looked for, in one sentence, or
        None. A time that is told is meant."""
        query = ticket.query
        if not query.recall or query.ago_s or ago_s(query.question):
            return None
        with self._wake:
            camera = camera_of(query, self._watchers)
        stream = self._streams.get(camera) if camera else None
        if stream is None:
            return None  # the scheduler has something to say of that
        if (fault := self._language.words.fault) is not None:
            return fault
        try:
            ticket.moment_ns = stream.moment_ns(self._named(query.question))
        except MagnoError as error:
            return str(error)
        ticket.trail.lap("find", pts_ns=ticket.moment_ns)
        return None

    def _named(self, question: str) -> list[Likeness]:
        """(n, embed_dim) directions of each phrase's words, as they are spelt after another word."""
        return [np.stack([self._word(word) for word in words]) for words in phrases(question)]

    def _word(self, word: str) -> Likeness:
        rows = self._language.words.of(self._language.tokenize(f" {word}"))
        return directions(directions(rows).mean(0))
