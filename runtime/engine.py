"""The engine: watches cameras, answers questions before their deadlines. Knows no ROS.

    with Engine.open(EngineConfig(bundle="bundles/pocket")) as engine:
        engine.watch("front", "clip.mp4")
        print(engine.ask(Query("Which way is the car moving?", deadline_ms=500)).text)

One owner thread has the language model. It takes the most urgent small step: the question with the earliest
deadline first, else one keyframe or window of a camera. A question forks its camera's live sequence, so what was
watched is never prefilled again. All public methods may be called from any thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from magno.runtime.answering import Answering
from magno.runtime.bundle import open_bundle
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import NS_PER_MS, Clock, WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.deadline import LatencyProfile, admit, check_query
from magno.runtime.encoder import Encoder, open_encoder
from magno.runtime.language import LanguageConfig, LanguageModel
from magno.runtime.profile import measure
from magno.runtime.spec import ModelSpec
from magno.runtime.stream import LiveStream
from magno.runtime.ticket import Ticket
from magno.runtime.units import Answer, MagnoError, Outcome, Query
from magno.runtime.watcher import CameraStatus, Watcher

IDLE_S = 0.2  # the owner looks around this often when nothing wakes it
NO_PICTURE_RETRY_MS = 500.0

log = logging.getLogger("magno.engine")


class EngineError(MagnoError):
    """The engine cannot do what was asked; it goes on."""


class Engine:
    """Owns the encoders, the language model and the cameras. Use `Engine.open`, and close it or use `with`."""

    def __init__(
        self, config: EngineConfig, spec: ModelSpec, encoder: Encoder, language: LanguageModel, clock: Clock
    ) -> None:
        self.config, self.spec = config, spec
        self._encoder, self._language, self._clock = encoder, language, clock
        self._calibrated = self._profile = measure(language, clock, config.max_step_tokens)
        layout = spec.layout
        self._prefix = language.tokenize(layout.question_prefix, special=True)
        self._suffix = language.tokenize(layout.question_suffix, special=True)
        self._wake = threading.Condition()
        self._watchers: dict[str, Watcher] = {}
        self._streams: dict[str, LiveStream] = {}  # the owner thread's alone
        self._questions: list[Answering] = []  # not yet answered, guarded by _wake
        self._closing = False
        self._owner = threading.Thread(target=self._run, name="magno-language", daemon=True)
        self._owner.start()

    @classmethod
    def open(cls, config: EngineConfig, clock: Clock | None = None) -> Engine:
        """Check the bundle, load its models, measure their speed. Raises MagnoError, one sentence."""
        bundle = open_bundle(Path(config.bundle))
        encoder = open_encoder(bundle, config.backend, config.encoder_threads)
        try:
            language = LanguageModel.open(
                bundle.llm,
                LanguageConfig(
                    context_tokens=config.context_tokens,
                    max_sequences=config.max_cameras + config.max_queries,
                    threads=config.threads,
                    batch_tokens=config.max_step_tokens,
                ),
            )
            if language.embed_dim != bundle.spec.embed_dim:
                raise EngineError(
                    f"{bundle.llm} wants embeddings of {bundle.spec.embed_dim} numbers, found {language.embed_dim}. "
                    "Export the bundle again."
                )
            return cls(config, bundle.spec, encoder, language, clock or WallClock())
        except BaseException:
            encoder.close()
            raise

    # Cameras

    def watch(
        self, name: str, url: str, *, loop: bool = False, pace: str = "live", until_s: float | None = None,
        keyframes_only: bool = False,
    ) -> None:  # fmt: skip
        """Open a camera and watch it until it ends or `unwatch`. Raises MagnoError when it cannot be opened."""
        request = CameraRequest(url, self.spec.codec.image_px, pace, loop, until_s, keyframes_only)
        watcher = Watcher(name, request, self._encoder, self.spec.codec, self._clock, self._notify)
        with self._wake:
            if self._closing:
                raise EngineError("A camera wants an open engine, found it closed. Open it again.")
            if name in self._watchers:
                raise EngineError(
                    f"A camera wants a name of its own, found {name!r} taken. Unwatch that one first."
                )
            if len(self._watchers) >= self.config.max_cameras:
                raise EngineError(
                    f"This engine wants {self.config.max_cameras} cameras at most, found one more. Raise max_cameras."
                )
            self._watchers[name] = watcher
        try:
            watcher.open()
        except BaseException:
            with self._wake:
                self._watchers.pop(name, None)
            raise

    def unwatch(self, name: str) -> None:
        """Stop a camera and forget its stream; its open questions fail. Raises EngineError for an unknown name."""
        with self._wake:
            watcher = self._watchers.pop(name, None)
        if watcher is None:
            raise EngineError(f"Unwatch wants one of {self._camera_names()}, found {name!r}.")
        watcher.close()
        self._notify()

    def wait_ended(self, name: str, timeout_s: float | None = None) -> bool:
        """Wait until a camera's stream has ended and all of it is in the cache; False: not in this time.

        Raises CameraError when the camera was lost before its end.
        """
        watcher = self._watchers[name]
        with self._wake:
            ended = self._wake.wait_for(lambda: watcher.finished or self._closing, timeout_s)
        if watcher.error and ended:
            raise CameraError(watcher.error)
        return ended

    def status(self) -> dict[str, CameraStatus]:
        """Every camera as it is now."""
        found = {}
        for name, watcher in list(self._watchers.items()):
            stream = self._streams.get(name)
            seen = stream.seen() if stream else None
            found[name] = watcher.status(seen.capture_ns if seen else None, seen.cached_tokens if seen else 0)
        return found

    # Questions

    def ask(self, query: Query, on_text: Callable[[str], None] | None = None) -> Answer:
        """Ask and wait for the answer; it always comes."""
        return self.submit(query, on_text).result()

    def submit(self, query: Query, on_text: Callable[[str], None] | None = None) -> Ticket:
        """Ask without waiting. Never raises for a bad question: its ticket holds the outcome.

        `on_text` gets the text so far as it is decoded, on the engine's thread: it should be quick.
        """
        ticket = Ticket(query, self._clock.now_ns(), on_text)
        fault = check_query(query)
        if fault is not None:
            ticket.settle(self._immediate(ticket, Outcome.FAILED, fault))
            return ticket
        question = self._language.tokenize(query.question) if not self._closing else []
        prompt = [*self._prefix, *question, *self._suffix]
        answering = Answering(ticket, prompt, self.config.max_step_tokens, self._clock)
        with self._wake:
            refusal = self._refusal(answering)
            if refusal is None:
                self._questions.append(answering)
                self._wake.notify_all()
        if refusal is not None:
            ticket.settle(refusal)
        return ticket

    def close(self) -> None:
        """Stop everything; open questions get FAILED. Closing twice is fine."""
        with self._wake:
            if self._closing:
                return
            self._closing = True
            watchers = list(self._watchers.values())
            self._wake.notify_all()
        for watcher in watchers:
            watcher.close()
        self._owner.join()
        self._language.close()
        self._encoder.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Any thread, _wake held

    def _refusal(self, answering: Answering) -> Answer | None:
        """Why this question cannot be taken, or None."""
        ticket = answering.ticket
        if self._closing:
            return self._immediate(
                ticket, Outcome.FAILED, "A question wants an open engine, found it closed."
            )
        name = self._camera_of(ticket.query)
        if name not in self._watchers:
            found = f"{ticket.query.camera[:80]!r}" if ticket.query.camera else "no name"
            fault = f"A question wants a camera of {self._camera_names()}, found {found}."
            return self._immediate(ticket, Outcome.FAILED, fault)
        before = [other for other in self._questions if other.ticket.deadline_ns <= ticket.deadline_ns]
        queue_ms = sum(
            self._profile.prefill_ms(other.prompt_left) + self._profile.step_ms for other in before
        )
        if len(self._questions) >= self.config.max_queries + self.config.max_waiting:
            fault = f"{len(self._questions)} questions wait already: ask again later."
            return self._immediate(ticket, Outcome.REFUSED, fault, max(1.0, queue_ms))
        free_tokens = self.config.context_tokens - self.config.budget_tokens * self.config.max_cameras
        if answering.prompt_left + ticket.query.max_tokens > free_tokens:
            fault = (
                f"A question and its answer want {free_tokens} tokens at most, found "
                f"{answering.prompt_left + ticket.query.max_tokens}. Ask a shorter one, or lower max_tokens."
            )
            return self._immediate(ticket, Outcome.REFUSED, fault)
        admission = admit(answering.remaining_ms(), queue_ms, answering.prompt_left, self._profile)
        if admission.admitted:
            return None
        self._profile = self._profile.ease(self._calibrated)
        return self._immediate(ticket, Outcome.REFUSED, admission.reason, admission.retry_after_ms)

    def _camera_of(self, query: Query) -> str:
        """The camera a query names, or the only one."""
        return next(iter(self._watchers)) if not query.camera and len(self._watchers) == 1 else query.camera

    def _camera_names(self) -> str:
        return ", ".join(self._watchers) or "none (watch one first)"

    def _immediate(
        self, ticket: Ticket, outcome: Outcome, error: str, retry_after_ms: float | None = None
    ) -> Answer:
        latency_ms = (self._clock.now_ns() - ticket.arrival_ns) / NS_PER_MS
        return Answer("", outcome, error, latency_ms=latency_ms, retry_after_ms=retry_after_ms)

    def _notify(self) -> None:
        with self._wake:
            self._wake.notify_all()

    # The owner thread

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._closing and not self._questions and not self._has_items():
                    self._wake.wait(IDLE_S)
                if self._closing:
                    break
                questions = sorted(self._questions, key=lambda answering: answering.ticket.deadline_ns)
            self._forget_streams()
            for answering in questions:
                self._drop_if_overdue(answering)
            urgent = next((answering for answering in questions if not answering.ticket.done), None)
            if urgent is not None:
                self._answer_step(urgent)
            else:
                self._ingest_one()
        for answering in self._questions:
            self._settle(answering, answering.fail("The engine was closed before the answer's end."))
        for stream in self._streams.values():
            stream.release()

    def _has_items(self) -> bool:
        return any(len(watcher.inbox) for watcher in self._watchers.values()) or bool(
            self._streams.keys() - self._watchers.keys()
        )

    def _answer_step(self, answering: Answering) -> None:
        if not answering.begun and not self._begin(answering):
            return
        answer, self._profile = answering.step(self._language, self._profile)
        if answer is not None:
            self._settle(answering, answer)

    def _begin(self, answering: Answering) -> bool:
        """Fork the stream, once what waits of it is in, if there is time for that."""
        name = self._camera_of(answering.ticket.query)
        watcher = self._watchers.get(name)
        if watcher is None:
            self._settle(answering, answering.fail("The camera was taken away before the answer's end."))
            return False
        while len(watcher.inbox) and self._has_time(answering):
            self._ingest(name, watcher)
        stream = self._streams.get(name)
        if stream is None or stream.seen() is None:
            fault = f"Camera {name} has shown no picture yet: ask again in {NO_PICTURE_RETRY_MS:.0f} ms."
            refusal = self._immediate(answering.ticket, Outcome.REFUSED, fault, NO_PICTURE_RETRY_MS)
            self._settle(answering, refusal)
            return False
        try:
            answering.begin(stream, watcher.pictures_dropped)
        except MagnoError as error:
            self._settle(answering, answering.fail(str(error)))
            return False
        return True

    def _has_time(self, answering: Answering) -> bool:
        ingest_ms = self._profile.prefill_ms(self.spec.layout.keyframe_tokens)
        return admit(answering.remaining_ms(), ingest_ms, answering.prompt_left, self._profile).admitted

    def _drop_if_overdue(self, answering: Answering) -> None:
        answer = answering.overdue(self._profile)
        if answer is not None:
            self._settle(answering, answer)

    def _settle(self, answering: Answering, answer: Answer) -> None:
        answering.close()
        with self._wake:
            if answering in self._questions:
                self._questions.remove(answering)
        answering.ticket.settle(answer)

    def _ingest_one(self) -> None:
        """One item of the camera whose oldest has waited longest."""
        waiting = [
            (len(watcher.inbox), name) for name, watcher in list(self._watchers.items()) if len(watcher.inbox)
        ]
        if waiting:
            name = max(waiting)[1]
            self._ingest(name, self._watchers[name])

    def _ingest(self, name: str, watcher: Watcher) -> None:
        item = watcher.inbox.take()
        if item is None:
            return
        try:
            stream = self._streams.get(name)
            if stream is None:
                stream = LiveStream(self._language, self.spec, self.config.budget_tokens)
                self._streams[name] = stream
            began_ns = self._clock.now_ns()
            stream.append(item)
            self._profile = self._profile.observe_prefill(
                len(item.rows), (self._clock.now_ns() - began_ns) / NS_PER_MS
            )
        except MagnoError as error:
            watcher.lose(item)
            log.warning(
                "camera %s: %s of %d pictures left out: %s", name, item.kind.value, item.pictures, error
            )
        if not len(watcher.inbox):
            self._notify()  # somebody may wait for the end

    def _forget_streams(self) -> None:
        """Free the sequences of cameras that are watched no more."""
        for name in [name for name in self._streams if name not in self._watchers]:
            self._streams.pop(name).release()
