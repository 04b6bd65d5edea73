"""The owner thread of the language model: it takes the most urgent small step, again and again.

The question with the earliest deadline first, else one keyframe or window of a camera. Only this thread touches
sequences; `submit` and `close` may be called from any.
"""

from __future__ import annotations

import logging
import threading

from magno.runtime.answering import Answering
from magno.runtime.clock import NS_PER_MS, Clock
from magno.runtime.config import EngineConfig
from magno.runtime.conversations import Conversations, Limits
from magno.runtime.deadline import admit
from magno.runtime.language import LanguageModel
from magno.runtime.profile import measure
from magno.runtime.spec import ModelSpec
from magno.runtime.stream import LiveStream, Seen
from magno.runtime.ticket import Ticket
from magno.runtime.units import Answer, MagnoError, Outcome, Query
from magno.runtime.watcher import Watcher

IDLE_S = 0.2  # the owner looks around this often when nothing wakes it
NO_PICTURE_RETRY_MS = 500.0
GIVES_WAY = (
    "A standing question wants a free place, found questions that somebody waits for: ask again later."
)

log = logging.getLogger("magno.engine")


class Scheduler:
    """Questions and cameras in, answers out. `watchers` is the engine's table of cameras, changed under `wake`."""

    def __init__(
        self,
        config: EngineConfig,
        spec: ModelSpec,
        language: LanguageModel,
        watchers: dict[str, Watcher],
        clock: Clock,
    ) -> None:
        self._config, self._spec, self._language, self._clock = config, spec, language, clock
        self._calibrated = self._profile = measure(language, clock, config.max_step_tokens)
        limits = Limits(config.max_conversations, config.max_turns, config.max_turn_tokens)
        self.conversations = Conversations(spec.layout, language.tokenize, limits)  # used with `wake` held
        self._room_tokens = config.context_tokens - config.budget_tokens * config.max_cameras  # for questions
        self._watchers = watchers
        self._streams: dict[Watcher, LiveStream] = {}
        self._questions: list[Answering] = []  # not yet answered
        self._closing = False
        self.wake = threading.Condition()
        self._owner = threading.Thread(target=self._run, name="magno-language", daemon=True)
        self._owner.start()

    # From any thread

    def submit(self, ticket: Ticket) -> None:
        """Take a question; a refusal settles its ticket at once."""
        with self.wake:
            try:
                answer = self._take(ticket)
            except MagnoError as error:
                answer = immediate(ticket, self._clock, Outcome.FAILED, str(error))
            self.wake.notify_all()
        if answer is not None:
            ticket.settle(answer)

    def seen(self, watcher: Watcher) -> Seen | None:
        """What a question to this camera would see now."""
        stream = self._streams.get(watcher)
        return stream.seen() if stream else None

    def notify(self) -> None:
        with self.wake:
            self.wake.notify_all()

    def close(self) -> None:
        """Answer what is open with FAILED and end the owner thread."""
        with self.wake:
            self._closing = True
            self.wake.notify_all()
        self._owner.join()

    # From any thread, `wake` held

    def _take(self, ticket: Ticket) -> Answer | None:
        if self._closing:
            fault = "A question wants an open engine, found it closed."
            return immediate(ticket, self._clock, Outcome.FAILED, fault)
        camera = self._watcher_of(ticket.query)
        if camera is None:
            names = ", ".join(self._watchers) or "none (watch one first)"
            found = f"{ticket.query.camera[:80]!r}" if ticket.query.camera else "no name"
            fault = f"A question wants one of the cameras {names}, found {found}."
            return immediate(ticket, self._clock, Outcome.FAILED, fault)
        prompt = self.conversations.prompt(ticket.query, self._room_tokens)
        ticket.earlier_turns = prompt.turns
        answering = Answering(ticket, camera, prompt.tokens, self._config.max_step_tokens, self._clock)
        refusal = self._refusal(answering)
        if refusal is None:
            self._questions.append(answering)
        return refusal

    def _refusal(self, answering: Answering) -> Answer | None:
        ticket, config = answering.ticket, self._config
        sooner = [other for other in self._questions if other.ticket.urgency <= ticket.urgency]
        queue_ms = sum(
            self._profile.prefill_ms(other.prompt_left) + self._profile.step_ms for other in sooner
        )
        places = config.max_queries + (0 if ticket.standing else config.max_waiting)
        if sum(other.ticket.standing <= ticket.standing for other in self._questions) >= places:
            fault = f"{len(self._questions)} questions wait already: ask again later."
            return immediate(ticket, self._clock, Outcome.REFUSED, fault, max(1.0, queue_ms))
        if answering.wanted_tokens > self._room_tokens:
            fault = (
                f"A question and its answer want {self._room_tokens} tokens at most, found "
                f"{answering.wanted_tokens}. "
                "Ask a shorter one, or lower max_tokens."
            )
            return immediate(ticket, self._clock, Outcome.REFUSED, fault)
        admission = admit(answering.remaining_ms(), queue_ms, answering.prompt_left, self._profile)
        if admission.admitted:
            return None
        self._profile = self._profile.ease(self._calibrated)
        return immediate(ticket, self._clock, Outcome.REFUSED, admission.reason, admission.retry_after_ms)

    def _watcher_of(self, query: Query) -> Watcher | None:
        """The camera a query names, or the only one."""
        if not query.camera and len(self._watchers) == 1:
            return next(iter(self._watchers.values()))
        return self._watchers.get(query.camera)

    # The owner thread

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        finally:  # whatever ended it, nobody is left waiting
            with self.wake:
                self._closing = True
            for answering in list(self._questions):
                self._settle(answering, answering.fail("The engine was closed before the answer's end."))
            for stream in self._streams.values():
                stream.release()

    def _turn(self) -> bool:
        """The most urgent small step; False: the engine closes."""
        with self.wake:
            if not self._closing and not self._questions and not self._has_work():
                self.wake.wait(IDLE_S)
            if self._closing:
                return False
            questions = sorted(self._questions, key=lambda answering: answering.ticket.urgency)
            watched = list(self._watchers.values())
        self._forget_streams(watched)
        urgent = self._most_urgent(questions)
        if urgent is None or urgent.spare_ms(self._profile) >= self._ingest_ms():
            self._ingest_one(
                watched
            )  # between two tokens too, or a long answer would leave all cameras blind
        if urgent is not None:
            self._guarded(urgent)
        return True

    def _has_work(self) -> bool:
        watched = self._watchers.values()
        return any(len(watcher.inbox) for watcher in watched) or len(self._streams.keys() - set(watched)) > 0

    def _most_urgent(self, questions: list[Answering]) -> Answering | None:
        """The question with the earliest deadline that may take a step; those that are overdue get their answer."""
        for answering in questions:
            answer = answering.overdue(self._profile)
            if answer is not None:
                self._settle(answering, answer)
        waiting = [answering for answering in questions if not answering.ticket.done]
        begun = [answering for answering in waiting if answering.begun]
        room = self._room_tokens - sum(answering.wanted_tokens for answering in begun)
        may_begin = len(begun) < self._config.max_queries

        def may_step(answering: Answering) -> bool:
            return answering.begun or (may_begin and answering.wanted_tokens <= room)

        held_up = [
            answering for answering in waiting if not (answering.ticket.standing or may_step(answering))
        ]
        for answering in [each for each in waiting if held_up and each.ticket.standing]:
            waiting.remove(answering)
            self._settle(answering, immediate(answering.ticket, self._clock, Outcome.REFUSED, GIVES_WAY))
        return next(filter(may_step, waiting), None)

    def _guarded(self, answering: Answering) -> None:
        """One step of a question. No fault of it may end the thread that answers all others."""
        try:
            self._answer_step(answering)
        except MagnoError as error:
            self._settle(answering, answering.fail(str(error)))
        except Exception as error:
            log.exception("a question failed")
            fault = f"The engine has a fault ({type(error).__name__}): see its log."
            self._settle(answering, answering.fail(fault))

    def _answer_step(self, answering: Answering) -> None:
        if not answering.begun:
            refusal = self._begin(answering)
            if refusal is not None:
                self._settle(answering, refusal)
                return
        answer, self._profile = answering.step(self._language, self._profile)
        if answer is not None:
            self._settle(answering, answer)

    def _begin(self, answering: Answering) -> Answer | None:
        """Fork the stream, once what waits of it is in, if there is time for that. Returns an answer if it cannot."""
        watcher = answering.camera
        if self._watchers.get(watcher.name) is not watcher:
            return answering.fail("The camera was taken away before the question's turn: watch it again.")
        for _ in range(len(watcher.inbox)):  # and not what comes meanwhile: that might never end
            if self._has_time_to_ingest(answering):
                self._ingest(watcher)
        stream = self._streams.get(watcher)
        if stream is None or stream.seen() is None:
            fault = (
                f"Camera {watcher.name} has shown no picture yet: ask again in {NO_PICTURE_RETRY_MS:.0f} ms."
            )
            return immediate(answering.ticket, self._clock, Outcome.REFUSED, fault, NO_PICTURE_RETRY_MS)
        answering.begin(stream, watcher.pictures_dropped)
        return None

    def _has_time_to_ingest(self, answering: Answering) -> bool:
        left_ms = answering.remaining_ms()
        return admit(left_ms, self._ingest_ms(), answering.prompt_left, self._profile).admitted

    def _ingest_ms(self) -> float:
        return self._profile.prefill_ms(self._spec.layout.keyframe_tokens)

    def _settle(self, answering: Answering, answer: Answer) -> None:
        if answer.outcome is Outcome.PARTIAL and not answering.timed_steps:
            self._profile = self._profile.ease(self._calibrated)  # the belief that cut it was not tested
        try:
            answering.close()
        finally:
            with self.wake:
                if answering in self._questions:
                    self._questions.remove(answering)
                if answer.outcome is Outcome.COMPLETE:
                    self.conversations.remember(answering.ticket.query, answer.text)
            answering.ticket.settle(answer)

    def _ingest_one(self, watched: list[Watcher]) -> None:
        """One item of the camera that is furthest behind."""
        behind = max(watched, key=lambda watcher: len(watcher.inbox), default=None)
        if behind is not None and len(behind.inbox):
            self._ingest(behind)

    def _ingest(self, watcher: Watcher) -> None:
        item = watcher.inbox.first()
        if item is None:
            return
        try:
            if watcher not in self._streams:
                self._streams[watcher] = LiveStream(self._language, self._spec, self._config.budget_tokens)
            began_ns = self._clock.now_ns()
            self._streams[watcher].append(item)
            spent_ms = (self._clock.now_ns() - began_ns) / NS_PER_MS
            self._profile = self._profile.observe_prefill(len(item.rows), spent_ms)
        except MagnoError as error:
            watcher.lose(item)
            log.warning("camera %s: a %s was left out: %s", watcher.name, item.kind.value, error)
        except Exception:  # a fault of ours may not end the thread that answers all questions
            watcher.lose(item)
            log.exception("camera %s: a %s was left out", watcher.name, item.kind.value)
        watcher.inbox.take()
        if not len(watcher.inbox):
            self.notify()  # somebody may wait for the stream's end

    def _forget_streams(self, watched: list[Watcher]) -> None:
        """Free the sequences of cameras that are watched no more."""
        for watcher in [watcher for watcher in self._streams if watcher not in watched]:
            self._streams.pop(watcher).release()


def immediate(
    ticket: Ticket, clock: Clock, outcome: Outcome, error: str, retry_after_ms: float | None = None
) -> Answer:
    """The answer to a question that never began."""
    latency_ms = (clock.now_ns() - ticket.arrival_ns) / NS_PER_MS
    return Answer("", outcome, error, latency_ms=latency_ms, retry_after_ms=retry_after_ms)
