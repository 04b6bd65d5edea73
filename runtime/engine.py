"""The engine: watches cameras, answers questions before their deadlines. Knows no ROS.

    with Engine.open(EngineConfig(bundle="bundles/pocket")) as engine:
        engine.watch("front", "clip.mp4")
        print(engine.ask(Query("Which way is the car moving?", deadline_ms=500)).text)

A camera's keyframes and windows go into its live sequence as they come; a question forks it, so what was watched
is never prefilled again. All methods may be called from any thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType

from magno.runtime.bundle import open_bundle
from magno.runtime.camera.process.picture_queue import NewestPictures
from magno.runtime.camera.process.unit_queue import UnitQueue
from magno.runtime.camera.request import CameraRequest
from magno.runtime.cameras import Cameras, EngineError
from magno.runtime.clock import Clock, WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.deadline import check_query
from magno.runtime.encoder import Encoder, open_encoder
from magno.runtime.language import LanguageModel
from magno.runtime.language_sizes import language_config
from magno.runtime.latency import LatencyProfile
from magno.runtime.latency_record import known_profile
from magno.runtime.memory import usual_budget
from magno.runtime.parity_record import complaint
from magno.runtime.past.archives import Archives
from magno.runtime.past.lookup import LookUp
from magno.runtime.questions.asker import Asker, Standing
from magno.runtime.questions.conversations import ConversationsStatus
from magno.runtime.questions.desk import Desk
from magno.runtime.questions.several import query_each
from magno.runtime.questions.standing import STIRRED, Rule
from magno.runtime.questions.ticket import Ticket
from magno.runtime.scheduler import Scheduler
from magno.runtime.spec import ModelSpec
from magno.runtime.stream import misfit
from magno.runtime.streams import Streams
from magno.runtime.tally import CameraStatus
from magno.runtime.trace import NO_TRACE, Tracer
from magno.runtime.units import Answer, Event, Outcome, Query
from magno.runtime.watcher import Gate, Watcher

__all__ = ["Engine", "EngineError"]

log = logging.getLogger("magno.engine")


class Engine:
    """Owns the encoders, the language model and the cameras. Use `Engine.open`, and close it or use `with`."""

    def __init__(
        self,
        config: EngineConfig,
        spec: ModelSpec,
        encoder: Encoder,
        language: LanguageModel,
        clock: Clock,
        tracer: Tracer = NO_TRACE,
        identity: str = "",
        profile: LatencyProfile | None = None,
    ) -> None:
        """`identity` tells one bundle from another: its model's name and the start of its manifest's sha256.
        `profile` as `magno calibrate latency` found it."""
        self.identity = identity
        self.config, self.spec = config, spec
        self._encoder, self._language, self._clock = encoder, language, clock
        watchers: dict[str, Watcher] = {}  # changed under the scheduler's `wake`
        archives = Archives(config, identity)
        streams = Streams(language, spec, config.budget_tokens, archives, clock)
        self._scheduler = Scheduler(config, spec, language, watchers, streams, clock, profile)
        self._cameras = Cameras(config, spec, encoder, self._scheduler, watchers, clock, tracer)
        look_up = LookUp(language, streams, watchers, self._scheduler.wake)
        self._desk = Desk(self._scheduler, look_up, clock, tracer)
        self._asker = Asker(
            lambda query: self._desk.submit([query], standing=True)[0],
            self._cameras.sight,
            clock,
            config.max_standing,
        )

    @classmethod
    def open(cls, config: EngineConfig, clock: Clock | None = None, tracer: Tracer = NO_TRACE) -> Engine:
        """Check the bundle, load its models, measure their speed. Raises MagnoError, one sentence.

        A `tracer` (see trace.RingTracer) gets a span of every stage of every picture and question.
        """
        bundle = open_bundle(Path(config.bundle))
        if (said := complaint(bundle.manifest.parity, config.bundle)) is not None:
            log.warning("%s", said)
        config = config.sized(usual_budget(bundle.spec))
        encoder = open_encoder(bundle, config.backend, config.encoder_threads)
        try:
            language = LanguageModel.open(bundle.llm, language_config(config))
            try:
                if (fault := misfit(language, bundle.spec, config.budget_tokens)) is not None:
                    raise EngineError(fault)
                identity = f"{bundle.spec.name} {bundle.manifest_sha256[:12]}"
                profile = known_profile(bundle.folder, bundle.manifest_sha256, config.threads)
                clock = clock or WallClock()
                return cls(config, bundle.spec, encoder, language, clock, tracer, identity, profile)
            except BaseException:
                language.close()
                raise
        except BaseException:
            encoder.close()
            raise

    def watch(
        self,
        name: str,
        url: str,
        *,
        loop: bool = False,
        pace: str = "live",
        until_s: float | None = None,
        keyframes_only: bool = False,
        transport: str = "tcp",
        topic: str = "",
        gate: Gate | None = None,
    ) -> None:
        """Open a camera and watch it until it ends or `unwatch`.

        Raises MagnoError when a file cannot be opened. A live camera (a url such as rtsp://) that is absent raises
        nothing: its state is "lost", it is tried again about once a second, and watched once it is there. `topic` is
        a bag's (*.mcap) with several cameras. Every picture passes the `gate`, if any: see replay.
        """
        request = CameraRequest(
            url,
            self.spec.codec.image_px,
            pace,
            loop,
            until_s,
            keyframes_only,
            transport=transport,
            topic=topic,
        )
        self._cameras.add(name, request, None, gate)

    def watch_units(self, name: str) -> UnitQueue:
        """Watch H.264 access units (annex B) that the caller puts into the queue, until it closes it or `unwatch`.

        `put` never waits; what the camera cannot take is dropped up to the next picture that decoding may begin
        with, and counted. Raises MagnoError as `watch` does.
        """
        units = UnitQueue()
        self._cameras.add(name, CameraRequest("units://", self.spec.codec.image_px), units)
        return units

    def watch_pictures(self, name: str, rate: float | None = None) -> NewestPictures:
        """Watch pictures (RGB or grey arrays, or JPEGs) that the caller puts into the queue, until it closes it or
        `unwatch`.

        They are decoded, and encoded for their motion, in the camera's own process. `put` never waits; of pictures
        that the camera cannot take, the newest win. Their size may change; `rate` is told to whoever asks, no more.
        Raises MagnoError as `watch` does.
        """
        pictures = NewestPictures(self._clock)
        self._cameras.add(name, CameraRequest("pictures://", self.spec.codec.image_px, rate=rate), pictures)
        return pictures

    def unwatch(self, name: str) -> None:
        """Stop a camera and forget its stream. Raises EngineError for an unknown name."""
        self._cameras.remove(name)

    def wait_ended(self, name: str, timeout_s: float | None = None) -> bool:
        """Wait until a camera's stream has ended and all of it is in the cache; False: not in this time.

        Raises CameraError when the camera was lost before its end, EngineError when it was taken away before it
        and for an unknown name.
        """
        return self._cameras.wait_ended(name, timeout_s)

    def wait_taken(self, name: str) -> None:
        """Wait until what a camera has handed on is in the cache, or it closes. Raises EngineError for an unknown
        name."""
        self._cameras.wait_taken(name)

    def status(self) -> dict[str, CameraStatus]:
        """Every camera as it is now."""
        return self._cameras.status()

    def ask(self, query: Query, on_text: Callable[[str], None] | None = None) -> Answer:
        """Ask and wait for the answer; it always comes."""
        return self.submit(query, on_text).result()

    def submit(self, query: Query, on_text: Callable[[str], None] | None = None) -> Ticket:
        """Ask without waiting. Never raises for a bad question: its ticket holds the outcome.

        `on_text` gets the text so far as it is decoded, on the engine's thread: it should be quick,
        and must not wait for the engine.
        """
        return self._desk.submit([query], on_text)[0]

    def ask_each(
        self,
        query: Query,
        cameras: Iterable[str] | None = None,
        on_text: Callable[[str, str], None] | None = None,
    ) -> dict[str, Answer]:
        """As `submit_each`, and wait for all answers; they always come."""
        return {name: ticket.result() for name, ticket in self.submit_each(query, cameras, on_text).items()}

    def submit_each(
        self,
        query: Query,
        cameras: Iterable[str] | None = None,
        on_text: Callable[[str, str], None] | None = None,
    ) -> dict[str, Ticket]:
        """Ask these cameras the same question, whatever camera it names; None: all that are watched.

        One deadline for all, and an outcome of its own for each: they are decoded together. An unknown name's is
        FAILED, and so is "" where none is watched. `on_text` gets a camera's name and its text so far, as `submit`
        has it.
        """
        named = [cameras] if isinstance(cameras, str) else cameras
        asked = query_each(query, (self.status() or [""]) if named is None else named)
        told = [on_text and partial(on_text, name) for name in asked]
        return dict(zip(asked, self._desk.submit(list(asked.values()), *told), strict=True))

    def watch_for(
        self,
        question: str,
        camera: str = "",
        *,
        on_event: Callable[[Event], None],
        every_s: float = 1.0,
        on: str = "motion",
        deadline_ms: float = 10_000.0,
        stirred: float = STIRRED,
    ) -> Standing:
        """Ask again and again; `on_event` is called when a whole answer has other words than the one before, and
        at the first. Close what is returned to end it. Raises MagnoError.

        `on` "motion": when the camera's motion energy times seconds has passed `stirred` since the answer before, or
        another scene is seen, and no more often than `every_s`; "interval": every `every_s`, if it shows anything
        new. It gives way to whoever waits for an answer: asked one at a time, refused ones again later. `on_event`
        is called on a thread that asks all standing questions: it should be quick. The camera may be lost or taken
        away, and come back under its name.
        """
        rule = Rule(every_s, on, stirred)
        watcher = self._cameras.find(camera) if camera else self._cameras.only()
        query = Query(question, watcher.name, deadline_ms)
        if (fault := check_query(query)) is not None:
            raise EngineError(fault)
        if on == "motion" and watcher.request.keyframes_only:
            raise EngineError(
                f"A standing question by motion wants motion vectors, found camera {watcher.name} watched for "
                "keyframes only. Ask it by interval."
            )
        return self._asker.add(query, rule, on_event)

    def outcomes(self) -> dict[Outcome, int]:
        """How many questions had which outcome since it was opened, standing ones among them."""
        return self._desk.outcomes()

    def cache(self) -> tuple[int, int]:
        """Tokens that the KV cache holds, and how many it can."""
        return self._language.used_tokens, self._language.capacity_tokens

    def conversations(self) -> ConversationsStatus:
        """How many conversations (see Query.conversation) are remembered, and what was forgotten."""
        with self._scheduler.wake:
            return self._scheduler.conversations.status()

    def forget_conversation(self, conversation: str) -> bool:
        """Forget its turns: the next question of that name begins anew. False: there is none of that name."""
        with self._scheduler.wake:
            return self._scheduler.conversations.forget(conversation)

    def close(self) -> None:
        """Stop everything; open questions get FAILED. Closing twice is fine."""
        if not self._cameras.forbid():
            return
        self._asker.close()
        self._cameras.close()
        self._scheduler.close()
        self._language.close()
        self._encoder.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
