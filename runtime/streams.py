"""The live sequences of all cameras, each made when its first item comes. Used by the language model's owner thread;
`seen` from any."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace

from magno.runtime.clock import NS_PER_MS, NS_PER_S, Clock
from magno.runtime.language import LanguageModel
from magno.runtime.past.ago import ago_s, without_ago
from magno.runtime.past.archives import Archives
from magno.runtime.spec import ModelSpec
from magno.runtime.stream import LiveStream, Seen
from magno.runtime.trace import Fact
from magno.runtime.units import Encoded, MagnoError, Query
from magno.runtime.watcher import Watcher

log = logging.getLogger("magno.engine")


@dataclass(frozen=True, slots=True)
class Ingested:
    """What it cost to take an item in."""

    tokens: int
    ms: float


class Streams:
    """A LiveStream for each camera that has shown something."""

    def __init__(
        self,
        language: LanguageModel,
        spec: ModelSpec,
        budget_tokens: int,
        archives: Archives,
        clock: Clock,
    ) -> None:
        self._language, self._spec, self._budget_tokens = language, spec, budget_tokens
        self._archives, self._clock = archives, clock
        self._streams: dict[Watcher, LiveStream] = {}

    def get(self, watcher: Watcher) -> LiveStream | None:
        return self._streams.get(watcher)

    def seen(self, watcher: Watcher) -> Seen | None:
        """What a question to this camera would see now."""
        stream = self._streams.get(watcher)
        return stream.seen() if stream else None

    def dated(self, query: Query, watcher: Watcher) -> Query:
        """The question, with the moment that its words name where the cache holds that no more; as it is where the
        model sees what it speaks of."""
        stream, named_s = self._streams.get(watcher), ago_s(query.question)
        seen = stream.seen() if stream else None
        if stream is None or seen is None or query.ago_s or not named_s:
            return query
        if stream.holds(seen.pts_ns - int(named_s * NS_PER_S)):
            return query
        return replace(query, question=without_ago(query.question), ago_s=named_s)

    def strangers(self, watched: Collection[Watcher]) -> list[Watcher]:
        """Cameras that have a sequence and are watched no more."""
        return [watcher for watcher in list(self._streams) if watcher not in watched]

    def forget(self, watcher: Watcher) -> None:
        self._streams.pop(watcher).release()

    def ingest(self, watcher: Watcher) -> Ingested | None:
        """Take the oldest item of a camera in; None when there is none, or it had to be left out."""
        item = watcher.inbox.first()
        if item is None:
            return None
        before = self._evicted(watcher)
        try:
            ingested = self._append(watcher, item)
            watcher.pacer.ingested(item.kind, ingested.ms)
            return ingested
        except MagnoError as error:
            watcher.lose(item)
            log.warning("camera %s: a %s was left out: %s", watcher.name, item.kind.value, error)
        except Exception:  # a fault of ours may not end the thread that answers all questions
            watcher.lose(item)
            log.exception("camera %s: a %s was left out", watcher.name, item.kind.value)
        finally:
            watcher.inbox.take(lambda: self._changed(watcher, before))
        return None

    def release(self) -> None:
        for stream in self._streams.values():
            stream.release()
        for stream in self._streams.values():
            stream.archive.wait()

    def _evicted(self, watcher: Watcher) -> tuple[int, int]:
        """GOPs and tokens that have left the cache so far."""
        stream = self._streams.get(watcher)
        return (stream.evicted_gops, stream.evicted_tokens) if stream else (0, 0)

    def _changed(self, watcher: Watcher, before: tuple[int, int]) -> dict[str, Fact]:
        """What a trace tells of the cache after an item."""
        (gops, tokens), seen = self._evicted(watcher), self.seen(watcher)
        cached_tokens = seen.cached_tokens if seen else 0
        gone = {"evicted_gops": gops - before[0], "evicted_tokens": tokens - before[1]}
        return {**gone, "cached_tokens": cached_tokens}

    def _append(self, watcher: Watcher, item: Encoded) -> Ingested:
        if watcher not in self._streams:
            self._streams[watcher] = self._begun(watcher, item)
        began_ns = self._clock.now_ns()
        self._streams[watcher].append(item)
        return Ingested(len(item.rows), (self._clock.now_ns() - began_ns) / NS_PER_MS)

    def _begun(self, watcher: Watcher, first: Encoded) -> LiveStream:
        archive = self._archives.of(watcher.name, watcher.request.url, first)
        try:
            return LiveStream(self._language, self._spec, self._budget_tokens, archive)
        except BaseException:
            archive.close()
            raise
