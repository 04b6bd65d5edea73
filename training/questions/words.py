"""The words of the world: colours, shapes, directions, places, and every phrasing. Knows nothing of pictures.

The first phrasing of a family is the canonical one, which anybody's evaluation may rely on.
"""

from __future__ import annotations

import re

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black")
SHAPES = ("square", "circle", "triangle", "star", "cross", "ring")
NOUNS = ("car", "bottle", "object")  # drawn from above, cut out of real pictures, and what has no other name

WAYS_4 = ("left", "right", "up", "down")
WAYS_8 = (*WAYS_4, "up left", "up right", "down left", "down right")
CAMERA_WAYS = (*WAYS_4, "forward", "backward", "still")
STILL = "still"
YES, NO = "yes", "no"
NOTHING = "nothing"
CANNOT_TELL = "cannot tell"
SYSTEM = "You watch a camera."  # what a stream begins with
PLACES = (
    ("top left", "top", "top right"),
    ("left", "centre", "right"),
    ("bottom left", "bottom", "bottom right"),
)
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")

# Other ways of saying an answer that are as right; compared after `score.normalised`.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "up left": ("left up", "upper left", "up and left", "top left"),
    "up right": ("right up", "upper right", "up and right", "top right"),
    "down left": ("left down", "lower left", "down and left", "bottom left"),
    "down right": ("right down", "lower right", "down and right", "bottom right"),
    "left": ("to left", "leftwards"),
    "right": ("to right", "rightwards"),
    "up": ("upwards",),
    "down": ("downwards",),
    "forward": ("forwards", "in"),
    "backward": ("backwards", "back", "out"),
    STILL: ("not moving", "it is not moving", "it is still", "nowhere", "standing still"),
    "centre": ("center", "middle"),
    "top left": ("upper left",),
    "top right": ("upper right",),
    "bottom left": ("lower left",),
    "bottom right": ("lower right",),
    NOTHING: ("none", "nothing is moving"),
    CANNOT_TELL: ("can not tell", "cant tell", "not visible", "not in view"),
    "the camera": ("everything",),
}

PHRASINGS: dict[str, tuple[str, ...]] = {
    "direction": (
        "Which way is {thing} moving?",
        "In which direction does {thing} move?",
        "Where is {thing} going?",
        "{Thing} is moving which way?",
    ),
    "camera": (
        "How is the camera moving?",
        "Which way does the camera move?",
        "What is the camera doing?",
        "How does the camera move?",
    ),
    "anything": (
        "Is anything moving?",
        "Does anything move?",
        "Is there any motion?",
        "Is something moving?",
    ),
    "what": ("What is moving?", "What moves?", "Which object is moving?"),
    "presence": (
        "Is there a {thing}?",
        "Do you see a {thing}?",
        "Can you see a {thing}?",
        "Is a {thing} in view?",
    ),
    "count": ("How many objects are there?", "How many objects do you see?", "Count the objects."),
    "colour": ("What colour is {thing}?", "Which colour does {thing} have?", "Name the colour of {thing}."),
    "shape": ("What shape is {thing}?", "Which shape does {thing} have?", "Name the shape of {thing}."),
    "where": ("Where is {thing}?", "In which part of the picture is {thing}?", "Where do you see {thing}?"),
    "closer": ("Is {thing} coming closer?", "Does {thing} approach?", "Is {thing} getting closer?"),
    "away": ("Is {thing} moving away?", "Does {thing} recede?", "Is {thing} getting further away?"),
    "faster": (
        "Which is faster, {first} or {second}?",
        "What moves faster, {first} or {second}?",
        "Which one is faster, {first} or {second}?",
    ),
    "first": (
        "Which moved first, {first} or {second}?",
        "What started first, {first} or {second}?",
        "Which began to move first, {first} or {second}?",
    ),
    "stop": ("Did {thing} stop?", "Has {thing} stopped?", "Did {thing} come to a stop?"),
    "start": ("Did {thing} start?", "Has {thing} started moving?", "Did {thing} begin to move?"),
    "since_appeared": (
        "How many seconds ago did {thing} appear?",
        "How long ago did {thing} appear, in seconds?",
        "For how many seconds has {thing} been there?",
    ),
    "since_stopped": (
        "How many seconds ago did {thing} stop?",
        "How long ago did {thing} stop, in seconds?",
        "For how many seconds has {thing} stood still?",
    ),
    "changed": (
        "Has the view changed?",
        "Has the view changed completely?",
        "Is this a different view than before?",
    ),
}


def worded(phrase: str, slots: tuple[str, ...], wording: int = 0) -> str:
    """A question about what `slots` name, in one of its phrasings; 0 is the canonical one."""
    one, two = (*slots, "", "")[:2]
    template = PHRASINGS[phrase][wording % len(PHRASINGS[phrase])]
    text = template.format(thing=one, Thing=one.capitalize(), first=one, second=two)
    return re.sub(r"\b(a|A) (?=[aeiou])", r"\1n ", text)


def accepted(answer: str) -> tuple[str, ...]:
    """An answer and what is as right; the first is the one to train on."""
    return (answer, *SYNONYMS.get(answer, ()))


def written(answer: str) -> str:
    """An answer as it follows a question: its words are then the very tokens that stand for them in questions."""
    return answer if answer[:1].isdigit() else f" {answer}"


def counted(number: int, unit: str = "") -> tuple[str, ...]:
    """A number as a digit and as a word, with and without its unit: "2", "two", "2 seconds", ..."""
    forms = (str(number), NUMBERS[number])
    with_unit = tuple(f"{form} {unit}{'' if number == 1 else 's'}" for form in forms) if unit else ()
    return (*forms, *with_unit)


def name(colour: str, shape: str) -> str:
    """A thing's whole name, without its article."""
    return f"{colour} {shape}".strip()


def corpus() -> list[str]:
    """Every sentence and answer, for whoever makes a tokenizer."""
    answers = [
        *WAYS_8,
        *CAMERA_WAYS,
        YES,
        NO,
        NOTHING,
        CANNOT_TELL,
        *(place for row in PLACES for place in row),
    ]
    lines = [SYSTEM, *map(written, answers)]
    lines += [form for number in range(len(NUMBERS)) for form in counted(number, "second")]
    names = [f"the {name(colour, shape)}" for colour in (*COLOURS, "") for shape in (*SHAPES, *NOUNS)]
    for templates in PHRASINGS.values():
        for template in templates:
            slots = {"first": names[0], "second": names[-1]}
            lines += [template.format(thing=n, Thing=n.capitalize(), **slots) for n in names]
    return lines
