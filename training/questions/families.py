"""The families of questions: a moment of a scene -> what may be asked, and what is right. One table. Pure.

How far back a question may look is HORIZON_S: what a cache of a sink and the newest GOPs still holds. Each question
says the earliest picture that one must have seen (`since`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from magno.training.questions.moment import SEEN, Moment
from magno.training.questions.words import (
    CAMERA_WAYS,
    CANNOT_TELL,
    COLOURS,
    NO,
    NOTHING,
    SHAPES,
    STILL,
    YES,
    accepted,
    counted,
    name,
    worded,
)
from magno.training.scenes.truth import Truth

HORIZON_S = 4.0
SETTLED_S = 0.5  # a start or a stop is that old at least
FASTER = 1.8
PLAIN = ("plain", "gradient", "noise")


@dataclass(frozen=True, slots=True)
class Asked:
    family: str
    phrase: str  # a key of PHRASINGS
    slots: tuple[str, ...]  # the things it names
    answers: tuple[str, ...]  # all that are right; the first is the one to train on
    picture: int  # the newest that was seen
    since: int  # the earliest that must have been seen
    bucket: str  # what its family is balanced over: mostly the answer
    detail: str = ""  # and within it
    thing: int = -1  # number of the thing it is about

    def question(self, wording: int = 0) -> str:
        """In one of its family's phrasings; 0 is the canonical one."""
        return worded(self.phrase, self.slots, wording)


Ask = Callable[[Moment, np.random.Generator], Iterator[Asked]]


@dataclass(frozen=True, slots=True)
class Family:
    ask: Ask
    choices: int  # among so many answers chance chooses
    buckets: int = 0  # 0: as many as choices
    weight: float = 1.0  # how often it is asked, among the others


def _asked(moment: Moment, family: str, phrases: tuple[str, str], answer: str, **more: object) -> Asked:
    """`phrases`: a key of PHRASINGS, and the thing it is about."""
    since = max(moment.look_start, 0)
    asked = Asked(family, phrases[0], phrases[1:], accepted(answer), moment.picture, since, answer)
    return replace(asked, **more)  # type: ignore[arg-type]


def direction(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Of a named thing: one mover, two, three, one before a texture, one while the camera moves; or still."""
    moving = [moment.moves(i) for i in moment.seen]
    hidden_movers = any(moment.truth.visible[moment.picture, i] > 0.1 for i in moment.unsure)
    if None in moving or hidden_movers:
        return
    movers = [i for i, moves in zip(moment.seen, moving, strict=True) if moves]
    ways = {moment.motions[i].way_8 for i in movers}  # type: ignore[union-attr]
    plain = moment.truth.ground[moment.shot] in PLAIN
    for i, moves in zip(moment.seen, moving, strict=True):
        about, motion = ("direction", moment.refer(i, rng)), moment.motions[i]
        if moment.grows(i) != 0 or motion is None:
            continue
        if not moves and moment.camera == STILL:
            yield _asked(moment, "direction_still", about, STILL, thing=i)
        if not moves or (motion.way_8 is None and motion.way_4 is None):
            continue
        if moment.camera not in (STILL, None) and motion.way_4:
            yield _asked(moment, "direction_moving_camera", about, motion.way_4, thing=i)
        if moment.camera != STILL:
            continue
        if len(movers) == 1 and motion.way_4:
            family = "direction" if plain else "direction_background"
            yield _asked(moment, family, about, motion.way_4, thing=i)
        if len(movers) == 1 and motion.way_8:
            yield _asked(moment, "direction_8", about, motion.way_8, thing=i)
        if len(movers) in (2, 3) and len(ways) == len(movers) and None not in ways and motion.way_4:
            yield _asked(
                moment, f"direction_{'two' if len(movers) == 2 else 'three'}", about, motion.way_4, thing=i
            )


def camera(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    if moment.camera is None or (
        moment.camera == STILL and not (moment.seen or moment.truth.lively[moment.shot])
    ):
        return
    yield _asked(moment, "camera", ("camera", ""), moment.camera)


def anything(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    if moment.camera != STILL:
        return
    acting = [moment.acts(i) for i in (*moment.seen, *moment.unsure)]
    if any(moment.acts(i) for i in moment.seen):
        yield _asked(moment, "anything", ("anything", ""), YES)
    elif not any(acting) and None not in acting:
        yield _asked(moment, "anything", ("anything", ""), NO)


def what(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    acting = {i: moment.acts(i) for i in (*moment.seen, *moment.unsure)}
    if None in acting.values() or moment.camera is None:
        return
    movers = [i for i, acts in acting.items() if acts]
    if moment.camera != STILL:
        if not movers:
            yield _asked(moment, "what", ("what", ""), "the camera")
    elif not movers:
        yield _asked(moment, "what", ("what", ""), NOTHING)
    elif len(movers) == 1 and movers[0] in moment.seen and moment.truth.shape[movers[0]] != "object":
        whole = moment.name(movers[0])
        yield _asked(
            moment,
            "what",
            ("what", ""),
            whole,
            bucket=moment.truth.colour[movers[0]] or whole,
            thing=movers[0],
        )


def presence(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    since = {"since": moment.picture}
    truth = moment.truth
    for i in moment.seen:
        if truth.colour[i] and truth.shape[i] in SHAPES:
            about = name(truth.colour[i], truth.shape[i])
            yield _asked(moment, "presence", ("presence", about), YES, **since, thing=i)
    for colour, shape in _absent(moment, rng, 2):
        yield _asked(moment, "presence", ("presence", name(colour, shape)), NO, **since)


def count(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Not before photographs, which show things of their own."""
    if moment.unsure or moment.truth.ground[moment.shot] == "photograph" or len(moment.seen) > 5:
        return
    number = len(moment.seen)
    yield _asked(moment, "count", ("count", ""), str(number), answers=counted(number), since=moment.picture)


def colour(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        if moment.truth.colour[i] and not moment.dark and moment.alone(i, shape=True):
            about = f"the {moment.truth.shape[i]}"
            yield _asked(
                moment, "colour", ("colour", about), moment.truth.colour[i], since=moment.picture, thing=i
            )


def shape(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        if moment.truth.shape[i] in SHAPES and moment.alone(i, colour=True):
            about = f"the {moment.truth.colour[i]} object"
            yield _asked(
                moment, "shape", ("shape", about), moment.truth.shape[i], since=moment.picture, thing=i
            )


def where(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        spot = moment.place(i)
        if spot is not None:
            yield _asked(
                moment, "where", ("where", moment.refer(i, rng)), spot, since=moment.picture, thing=i
            )


def approach(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        grows = moment.grows(i)
        if (
            grows is None or moment.camera != STILL
        ):  # what grows because the camera nears it does not approach
            continue
        about, detail = moment.refer(i, rng), str(grows)
        yield _asked(moment, "closer", ("closer", about), YES if grows > 0 else NO, thing=i, detail=detail)
        yield _asked(moment, "away", ("away", about), YES if grows < 0 else NO, thing=i, detail=detail)


def faster(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    speeds = {i: moment.motions[i].speed for i in moment.seen if moment.moves(i)}  # type: ignore[union-attr]
    pairs = [(a, b) for a in speeds for b in speeds if speeds[a] >= FASTER * speeds[b]]
    for quick, slow in pairs:
        yield _either(moment, "faster", (quick, slow), rng)


def first(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Both stood still, and began to move within the horizon."""
    began = {}
    for i in moment.seen:
        changes = moment.changes(i)
        if (
            len(changes) == 1
            and changes[0][1]
            and moment.seconds(moment.picture - changes[0][0]) <= HORIZON_S - 1
        ):
            began[i] = changes[0][0]
    for a in began:
        for b in began:
            settled = moment.seconds(moment.picture - began[b]) >= SETTLED_S
            if settled and moment.seconds(began[b] - began[a]) >= 0.6:
                since = max(began[a] - moment.look, moment.shot_start)
                yield replace(_either(moment, "first", (a, b), rng), since=since)


def _either(moment: Moment, family: str, things: tuple[int, int], rng: np.random.Generator) -> Asked:
    """A choice of two, the right one named first or second by chance."""
    right, wrong = moment.name(things[0]), moment.name(things[1])
    swapped = bool(rng.random() < 0.5)
    names, bucket = ((wrong, right), "second") if swapped else ((right, wrong), "first")
    since = max(moment.look_start, 0)
    return Asked(family, family, names, (right,), moment.picture, since, bucket, thing=things[0])


def events(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Did it stop, did it start, and how long ago; the camera stands still meanwhile."""
    horizon = max(moment.picture - round(HORIZON_S * moment.truth.fps), moment.shot_start)
    camera_path = moment.truth.pan[horizon : moment.picture + 1]
    if moment.camera != STILL or np.abs(camera_path).max() > 0 or moment.truth.shaken[moment.picture]:
        return
    for i in moment.seen:
        if (moment.truth.visible[horizon : moment.picture + 1, i] < SEEN).any() or moment.grows(i) != 0:
            continue
        about = moment.refer(i, rng)
        changes = [change for change in moment.changes(i) if change[0] > horizon - moment.look]
        if len(changes) > 1 or moment.seconds(moment.picture - moment.shot_start) < 1.0:
            continue
        if not changes:
            moves = moment.moves(i)
            if moves is None:
                continue
            detail = "moves" if moves else "stands"
            yield _asked(moment, "stop", ("stop", about), NO, since=horizon, detail=detail, thing=i)
            yield _asked(moment, "start", ("start", about), NO, since=horizon, detail=detail, thing=i)
            continue
        at, moves = changes[0]
        ago = moment.seconds(moment.picture - at)
        if at - horizon < moment.look // 2 or ago < SETTLED_S:
            continue
        more = {"since": max(at - moment.look, moment.shot_start), "detail": "turned", "thing": i}
        yield _asked(moment, "stop", ("stop", about), NO if moves else YES, **more)
        yield _asked(moment, "start", ("start", about), YES if moves else NO, **more)
        if not moves:
            yield from _ago(moment, "since_stopped", about, at)


def arrival(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    for i in moment.seen:
        at = moment.appeared(i)
        if at is not None and not moment.truth.pan[moment.shot_start : moment.picture + 1].any():
            yield from _ago(moment, "since_appeared", moment.name(i), at)


def _ago(moment: Moment, family: str, about: str, at: int) -> Iterator[Asked]:
    ago = moment.seconds(moment.picture - at)
    number = round(ago)
    if 1 <= number <= HORIZON_S - 1 and abs(ago - number) <= 0.3:
        yield _asked(
            moment,
            family,
            (family, about),
            str(number),
            answers=counted(number, "second"),
            since=max(at - moment.look, moment.shot_start),
        )


def changed(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Was there a cut in the last seconds?"""
    ago = moment.seconds(moment.picture - moment.shot_start)
    cut = moment.shot_start > 0
    horizon = max(moment.picture - round(HORIZON_S * moment.truth.fps), 0)
    if cut and 0.3 <= ago <= HORIZON_S - 1 and moment.shot_start >= moment.look:
        yield _asked(moment, "changed", ("changed", ""), YES, since=moment.shot_start - moment.look)
    elif not cut and ago >= 1.0 and _about_the_same(moment, horizon):
        yield _asked(moment, "changed", ("changed", ""), NO, since=horizon)


def _about_the_same(moment: Moment, horizon: int) -> bool:
    pan = moment.truth.pan[horizon : moment.picture + 1].sum(0)
    zoom = float(moment.truth.zoom[horizon : moment.picture + 1].sum())
    return float(np.hypot(*pan)) < 0.25 * moment.truth.side and abs(zoom) < 0.25


def cannot_tell(moment: Moment, rng: np.random.Generator) -> Iterator[Asked]:
    """Of things that are not in view."""
    absent = _absent(moment, rng, 2)
    if not absent:
        return
    colour, shape = absent[0]
    about = f"the {name(colour, shape)}"
    for phrases in ("direction", "where", "closer", "stop"):
        yield _asked(
            moment, "cannot_tell", (phrases, about), CANNOT_TELL, since=moment.picture, bucket=phrases
        )
    things = [*moment.seen, *moment.unsure]
    if not any(moment.truth.shape[i] in (shape, "object") for i in things):
        yield _asked(
            moment,
            "cannot_tell",
            ("colour", f"the {shape}"),
            CANNOT_TELL,
            since=moment.picture,
            bucket="colour",
        )
    if not any(moment.truth.colour[i] in (colour, "") for i in things):
        about = f"the {colour} object"
        yield _asked(
            moment, "cannot_tell", ("shape", about), CANNOT_TELL, since=moment.picture, bucket="shape"
        )
    if moment.seen:
        names = [moment.name(moment.seen[0]), f"the {name(colour, shape)}"][:: int(rng.choice((-1, 1)))]
        slots = (names[0], names[1])
        yield Asked(
            "cannot_tell", "faster", slots, accepted(CANNOT_TELL), moment.picture, moment.picture, "faster"
        )


def _absent(moment: Moment, rng: np.random.Generator, number: int) -> list[tuple[str, str]]:
    """Names of things that are not in view; the first shares a colour or a shape with one that is, mostly."""
    truth = moment.truth
    pairs = [(c, s) for c in COLOURS for s in SHAPES if moment.absent(c, s)]
    if truth.ground[moment.shot] == "photograph" and moment.dark:
        return []
    near = [(c, s) for c, s in pairs if any(truth.colour[i] == c or truth.shape[i] == s for i in moment.seen)]
    chosen = []
    for number_, pool in enumerate((near or pairs, pairs)[:number]):
        if pool and (number_ or rng.random() < 0.7):
            chosen.append(pool[int(rng.integers(len(pool)))])
    return chosen


FAMILIES: dict[str, Family] = {
    "direction": Family(direction, 4),
    "direction_two": Family(direction, 4),
    "direction_three": Family(direction, 4),
    "direction_background": Family(direction, 4),
    "direction_8": Family(direction, 8),
    "direction_moving_camera": Family(direction, 4),
    "direction_still": Family(direction, 9, buckets=1, weight=0.4),
    "camera": Family(camera, len(CAMERA_WAYS)),
    "anything": Family(anything, 2),
    "what": Family(what, len(COLOURS) * len(SHAPES) + 2, buckets=10),
    "presence": Family(presence, 2),
    "count": Family(count, 6),
    "colour": Family(colour, len(COLOURS)),
    "shape": Family(shape, len(SHAPES)),
    "where": Family(where, 9),
    "closer": Family(approach, 2),
    "away": Family(approach, 2),
    "faster": Family(faster, 2),
    "first": Family(first, 2),
    "stop": Family(events, 2),
    "start": Family(events, 2),
    "since_appeared": Family(arrival, 3),
    "since_stopped": Family(events, 3),
    "changed": Family(changed, 2),
    "cannot_tell": Family(cannot_tell, 10, buckets=7),
}
ASKS: tuple[Ask, ...] = tuple(dict.fromkeys(family.ask for family in FAMILIES.values()))


def all_questions(truth: Truth, pictures: list[int], seed: int) -> list[Asked]:
    """Everything that may be asked when each of these pictures is the newest seen, canonically phrased."""
    rng = np.random.default_rng((seed, 2))
    moments = [Moment(truth, picture) for picture in pictures]
    return [asked for moment in moments for ask in ASKS for asked in ask(moment, rng)]
