"""The owner thread of the language model: it takes the most urgent small step, again and again.

A step is the next token of the question with the earliest deadline, and of those that ride along with it; between
two, one keyframe or window of a camera. Only this thread touches sequences; `submit` and `close` may be called from
any.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from magno.runtime.clock import NS_PER_MS, Clock
from magno.runtime.config import EngineConfig
from magno.runtime.deadline import admit
from magno.runtime.language import LanguageError, LanguageModel
from magno.runtime.latency import LatencyProfile
from magno.runtime.memory import TEXT_TOKENS, gop_tokens
from magno.runtime.profile import measure
from magno.runtime.questions.answering import Answering, immediate
from magno.runtime.questions.conversations import Conversations, Limits
from magno.runtime.questions.open_questions import OpenQuestions
from magno.runtime.questions.queueing import Places
from magno.runtime.questions.refusal import GIVES_WAY, camera_of, foretold, refusal, unknown_camera
from magno.runtime.questions.ticket import Ticket
from magno.runtime.spec import ModelSpec
from magno.runtime.steps import plan_step
from magno.runtime.stream import PastError, Seen
from magno.runtime.streams import Streams
from magno.runtime.together import append_together
from magno.runtime.units import Answer, MagnoError, Outcome
from magno.runtime.watcher import Watcher

IDLE_S = 0.2  # the owner looks around this often when nothing wakes it
NO_PICTURE_RETRY_MS = 500.0

log = logging.getLogger("magno.engine")


class Scheduler:
    """Questions and cameras in, answers out. `watchers` is the engine's table of cameras, changed under `wake`."""

    def __init__(
        self,
        config: EngineConfig,
        spec: ModelSpec,
        language: LanguageModel,
        watchers: dict[str, Watcher],
        streams: Streams,
        clock: Clock,
        profile: LatencyProfile | None = None,
    ) -> None:
        """`profile` as calibrated on this device; None: it is measured now."""
        self._config, self._spec, self._language, self._clock = config, spec, language, clock
        self._calibrated = self._profile = profile or measure(language, clock, config.max_step_tokens)
        limits = Limits(config.max_conversations, config.max_turns, config.max_turn_tokens)
        self.conversations = Conversations(spec.layout, language.tokenize, limits)  # used with `wake` held
        room_tokens = config.context_tokens - config.budget_tokens * config.max_cameras
        self._watchers, self._streams = watchers, streams
        self._questions = OpenQuestions(Places(config.max_queries, room_tokens))
        self._closing = False
        self.wake = threading.Condition()
        self._owner = threading.Thread(target=self._run, name="magno-language", daemon=True)
        self._owner.start()

    # From any thread

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Take questions, all before any of them begins; a refusal settles its ticket at once."""
        with self.wake:
            answers = [self._take_or_fail(ticket) for ticket in tickets]
            self.wake.notify_all()
        for ticket, answer in zip(tickets, answers, strict=True):
            if answer is not None:
                ticket.settle(answer)

    def seen(self, watcher: Watcher) -> Seen | None:
        """What a question to this camera would see now."""
        return self._streams.seen(watcher)

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

    def _take_or_fail(self, ticket: Ticket) -> Answer | None:
        try:
            return self._take(ticket)
        except MagnoError as error:
            return immediate(ticket, self._clock, Outcome.FAILED, str(error))

    def _take(self, ticket: Ticket) -> Answer | None:
        if self._closing:
            fault = "A question wants an open engine, found it closed."
            return immediate(ticket, self._clock, Outcome.FAILED, fault)
        camera = camera_of(ticket.query, self._watchers)
        if camera is None:
            fault = unknown_camera(ticket.query.camera, self._watchers)
            return immediate(ticket, self._clock, Outcome.FAILED, fault)
        ticket.query = self._streams.dated(ticket.query, camera)
        prompt = self.conversations.prompt(ticket.query, self._questions.places.cells)
        ticket.earlier_turns = prompt.turns
        recalled = (
            self._config.budget_tokens if ticket.moment_ns is None else gop_tokens(self._spec) + TEXT_TOKENS
        )
        answering = Answering(ticket, camera, prompt.tokens, self._clock, recalled)
        queue_ms = self._questions.queue_ms(answering, self._profile)
        refused = refusal(answering, queue_ms, self._questions, self._config, self._profile)
        if refused is None:
            ingest_ms = self._ingest_ms()
            answering.foretold_tokens = foretold(answering, queue_ms, self._config, self._profile, ingest_ms)
            self._questions.add(answering)
            return None
        if refused.believed:
            self._profile = self._profile.ease(self._calibrated)
        return immediate(ticket, self._clock, Outcome.REFUSED, refused.reason, refused.retry_after_ms)

    # The owner thread

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        finally:  # whatever ended it, nobody is left waiting
            with self.wake:
                self._closing = True
            for answering in self._questions.in_order():
                self._settle(answering, answering.fail("The engine was closed before the answer's end."))
            self._streams.release()

    def _turn(self) -> bool:
        """The most urgent small step; False: the engine closes."""
        with self.wake:
            if not self._closing and not self._questions and not self._has_work():
                self.wake.wait(IDLE_S)
            if self._closing:
                return False
            questions = self._questions.in_order()
            watched = list(self._watchers.values())
        for watcher in self._streams.strangers(watched):
            self._streams.forget(watcher)
        waiting = [answering for answering in questions if not self._settled_late(answering)]
        ready = self._placed(waiting)
        if not ready or ready[0].spare_ms(self._profile, len(ready)) >= self._ingest_ms():
            self._ingest_one(watched)  # between two tokens too: no long answer leaves all cameras blind
        if ready:
            self._step(ready)
        return True

    def _has_work(self) -> bool:
        watched = self._watchers.values()
        return any(len(watcher.inbox) for watcher in watched) or bool(self._streams.strangers(watched))

    def _placed(self, waiting: list[Answering]) -> list[Answering]:
        """Those that may take a step. Standing questions give way where somebody waits for a place."""
        ready = self._questions.placed(waiting, self._profile)
        if all(answering in ready for answering in waiting if not answering.ticket.standing):
            return ready
        for answering in [answering for answering in waiting if answering.ticket.standing]:
            self._settle(answering, immediate(answering.ticket, self._clock, Outcome.REFUSED, GIVES_WAY))
        return [answering for answering in ready if not answering.ticket.standing]

    def _settled_late(self, answering: Answering) -> bool:
        """Whether it is overdue, and has its answer now."""
        answer = answering.overdue(self._profile, lambda: self._questions.queue_ms(answering, self._profile))
        if answer is not None:
            self._settle(answering, answer)
        return answer is not None

    def _step(self, ready: list[Answering]) -> None:
        """One native step of the most urgent question and of those that ride along."""
        begun = [each for each, _ in self._plan(ready) if each.begun or self._begins(each, ready[0])]
        in_time = [each for each in begun if not self._settled_late(each)]
        if in_time and in_time[0].recalls:
            return self._recall(in_time[0])
        # Anew: to begin takes time, for what waits of the camera goes in first.
        taking = self._plan([each for each in in_time if not each.recalls])
        if not taking:
            return
        try:
            faults = self._feed(taking)
        except Exception as error:
            log.exception("a step of %d questions failed", len(taking))
            faults = [LanguageError(_own_fault(error))] * len(taking)
        for (answering, tokens), fault in zip(taking, faults, strict=True):
            if fault is not None:
                self._settle(answering, answering.fail(str(fault)))
            else:
                self._guarded(answering, partial(answering.took, tokens, self._language))

    def _recall(self, answering: Answering) -> None:
        """One piece of the past that a question is about: a step of its own, as if the camera showed it now."""
        before, began_ns = answering.waiting_tokens, self._clock.now_ns()
        self._guarded(answering, answering.recall)
        if not answering.ticket.done:
            spent_ms = (self._clock.now_ns() - began_ns) / NS_PER_MS
            self._profile = self._profile.observe_prefill(before - answering.waiting_tokens, spent_ms)

    def _feed(self, taking: list[tuple[Answering, int]]) -> list[LanguageError | None]:
        """One native step, and what it teaches of its cost."""
        prompt_tokens = sum(tokens for answering, tokens in taking if answering.prompt_left)
        decodes = sum(not answering.prompt_left for answering, _ in taking)
        shares = [answering.share(tokens) for answering, tokens in taking]
        began_ns = self._clock.now_ns()
        appended = append_together(self._language, shares)
        if appended.as_one:
            spent_ms = (self._clock.now_ns() - began_ns) / NS_PER_MS
            self._profile = self._profile.observe(prompt_tokens, decodes, spent_ms)
        return appended.faults

    def _plan(self, ready: list[Answering]) -> list[tuple[Answering, int]]:
        """Those that take part in a step, with the tokens they bring."""
        wishes = [answering.wish(self._profile) for answering in ready]
        tokens = plan_step(wishes, self._config.max_step_tokens, self._profile)
        return [pair for pair in zip(ready, tokens, strict=True) if pair[1]]

    def _guarded(self, answering: Answering, part: Callable[[], Answer | None]) -> None:
        """A part of a question's work. No fault of it may end the thread that answers all others."""
        try:
            answer = part()
        except MagnoError as error:
            answer = answering.fail(str(error))
        except Exception as error:
            log.exception("a question failed")
            answer = answering.fail(_own_fault(error))
        if answer is not None:
            self._settle(answering, answer)

    def _begins(self, answering: Answering, urgent: Answering) -> bool:
        """Give a question its place; False: it has its answer instead."""
        self._guarded(answering, partial(self._begin, answering, urgent))
        return answering.begun and not answering.ticket.done

    def _begin(self, answering: Answering, urgent: Answering) -> Answer | None:
        """Fork the stream, once what waits of it is in, if there is time for that. Returns an answer if it cannot."""
        watcher = answering.camera
        if self._watchers.get(watcher.name) is not watcher:
            return answering.fail("The camera was taken away before the question's turn: watch it again.")
        for _ in range(len(watcher.inbox)):  # and not what comes meanwhile: that might never end
            if self._has_time_to_ingest(answering, urgent):
                self._ingest(watcher)
        stream = self._streams.get(watcher)
        seen = stream.seen() if stream else None
        if stream is None or seen is None:
            fault = (
                f"Camera {watcher.name} has shown no picture yet: ask again in {NO_PICTURE_RETRY_MS:.0f} ms."
            )
            return immediate(answering.ticket, self._clock, Outcome.REFUSED, fault, NO_PICTURE_RETRY_MS)
        try:
            answering.begin(stream, seen, watcher.pictures_dropped)
        except PastError as error:
            return immediate(answering.ticket, self._clock, Outcome.REFUSED, str(error))
        return None

    def _has_time_to_ingest(self, answering: Answering, urgent: Answering) -> bool:
        """Whether its first token may wait for one item, and the most urgent answer too."""
        ingest_ms, left_ms = self._ingest_ms(), answering.remaining_ms()
        if answering is not urgent and urgent.wish(self._profile).slack_ms < 2 * ingest_ms:  # and a step
            return False
        return admit(left_ms, ingest_ms, answering.waiting_tokens, self._profile).admitted

    def _ingest_ms(self) -> float:
        return self._profile.prefill_ms(self._spec.layout.keyframe_tokens)

    def _settle(self, answering: Answering, answer: Answer) -> None:
        if answer.outcome is Outcome.PARTIAL and not answering.timed_steps:
            self._profile = self._profile.ease(self._calibrated)  # the belief that cut it was not tested
        if answer.outcome is Outcome.COMPLETE:
            self._profile = self._profile.observe_answer(answering.decoded)
        try:
            answering.close()
        finally:
            with self.wake:
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
        ingested = self._streams.ingest(watcher)
        if ingested is not None:
            self._profile = self._profile.observe_prefill(ingested.tokens, ingested.ms)
        if not len(watcher.inbox):
            self.notify()  # somebody may wait for the stream's end


def _own_fault(error: Exception) -> str:
    return f"The engine has a fault ({type(error).__name__}): see its log."
