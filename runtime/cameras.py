"""The table of cameras that one engine watches. All methods may be called from any thread. Knows no question."""

from __future__ import annotations

import dataclasses

from magno.runtime.camera.process.feed import Feed
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import Clock
from magno.runtime.config import EngineConfig
from magno.runtime.encoder import Encoder
from magno.runtime.questions.standing import Sight
from magno.runtime.scheduler import Scheduler
from magno.runtime.spec import ModelSpec
from magno.runtime.tally import CameraStatus
from magno.runtime.trace import Tracer
from magno.runtime.units import MagnoError
from magno.runtime.watcher import Gate, Watcher


class EngineError(MagnoError):
    """The engine cannot do what was asked; it goes on."""


class Cameras:
    """Watchers by name. The table is the scheduler's too, and is changed under its `wake`."""

    def __init__(
        self,
        config: EngineConfig,
        spec: ModelSpec,
        encoder: Encoder,
        scheduler: Scheduler,
        watchers: dict[str, Watcher],
        clock: Clock,
        tracer: Tracer,
    ) -> None:
        self._tracer = tracer
        self._config, self._spec, self._encoder = config, spec, encoder
        self._scheduler, self._watchers, self._clock = scheduler, watchers, clock
        self._closed = False

    def add(
        self, name: str, request: CameraRequest, feed: Feed | None = None, gate: Gate | None = None
    ) -> None:
        """Watch one more. Raises MagnoError."""
        watcher = Watcher(
            name,
            dataclasses.replace(request, b_frames=self._config.b_frames, decoder=self._config.decoder),
            self._encoder,
            self._spec,
            self._clock,
            self._scheduler.notify,
            feed,
            self._config.windows,
            tracer=self._tracer,
            gate=gate,
            peers=lambda: len(self._watchers),
        )
        with self._scheduler.wake:
            if self._closed:
                raise EngineError("A camera wants an open engine, found it closed. Open it again.")
            if name in self._watchers:
                raise EngineError(
                    f"A camera wants a name of its own, found {name!r} taken. Unwatch it first."
                )
            if len(self._watchers) >= self._config.max_cameras:
                raise EngineError(
                    f"This engine wants {self._config.max_cameras} cameras at most, found one more. "
                    "Raise max_cameras."
                )
            self._watchers[name] = watcher
        try:
            watcher.open()
        except BaseException:
            self._forget(watcher)
            watcher.close()
            raise

    def remove(self, name: str) -> None:
        """Stop one and forget its stream. Raises EngineError for an unknown name."""
        watcher = self.find(name)
        self._forget(watcher)
        watcher.close()
        self._scheduler.notify()

    def find(self, name: str) -> Watcher:
        """The one of this name. Raises EngineError for an unknown one."""
        with self._scheduler.wake:
            if name in self._watchers:
                return self._watchers[name]
            names = ", ".join(self._watchers) or "none"
        raise EngineError(f"This engine watches {names}, found {name[:80]!r} asked for. Name one of them.")

    def only(self) -> Watcher:
        """The only one. Raises EngineError when there is none, or several."""
        watched = self._watched()
        if len(watched) != 1:
            raise EngineError(
                f"A camera wants a name while {len(watched)} are watched, found none. Name one."
            )
        return watched[0]

    def wait_ended(self, name: str, timeout_s: float | None) -> bool:
        """As `Engine.wait_ended`."""
        watcher = self.find(name)
        with self._scheduler.wake:
            ended = self._scheduler.wake.wait_for(lambda: watcher.finished or watcher.stopped, timeout_s)
        if ended and watcher.error:
            raise CameraError(watcher.error)
        if ended and not watcher.finished:
            raise EngineError(
                f"Camera {name} was to be watched to its end, found it closed before. Watch it again."
            )
        return ended

    def wait_taken(self, name: str) -> None:
        """As `Engine.wait_taken`."""
        watcher = self.find(name)
        with self._scheduler.wake:
            self._scheduler.wake.wait_for(lambda: not len(watcher.inbox) or watcher.stopped)

    def status(self) -> dict[str, CameraStatus]:
        """Every one as it is now."""
        found = {}
        for watcher in self._watched():
            seen = self._scheduler.seen(watcher)
            found[watcher.name] = watcher.status(seen)
        return found

    def sight(self, name: str) -> Sight | None:
        """What the one of this name has seen; None: there is none."""
        with self._scheduler.wake:
            watcher = self._watchers.get(name)
        if watcher is None:
            return None
        seen = self._scheduler.seen(watcher)
        return watcher.sight(seen.pts_ns if seen else None)

    def forbid(self) -> bool:
        """Add no more from now on; False: that was so already."""
        with self._scheduler.wake:
            known, self._closed = self._closed, True
        return not known

    def close(self) -> None:
        for watcher in self._watched():
            watcher.close()

    def _watched(self) -> list[Watcher]:
        with self._scheduler.wake:
            return list(self._watchers.values())

    def _forget(self, watcher: Watcher) -> None:
        """Take it off the table; another one that has its name by now stays."""
        with self._scheduler.wake:
            if self._watchers.get(watcher.name) is watcher:
                del self._watchers[watcher.name]
