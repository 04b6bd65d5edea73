"""Questions and their answers in words. Knows nothing of pictures.

The first phrasing of each family is the canonical one, which anybody's evaluation may rely on.
"""

from __future__ import annotations

COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black")
SHAPES = ("square", "circle", "triangle", "star", "cross", "ring", "car")
DIRECTIONS = ("left", "right", "up", "down")

DIRECTION_QUESTIONS = (
    "Which way is the {colour} {shape} moving?",
    "Which way is the {shape} moving?",
    "Which way is the {colour} object moving?",
    "Which way is the object moving?",
    "In which direction does the {colour} {shape} move?",
    "Where is the {colour} {shape} going?",
)
COLOUR_QUESTIONS = ("What colour is the {shape}?", "What colour is the object?")

# What later families will say, so that the tokenizer need not change when they come.
VOCABULARY = (
    "yes no none still forward backward up left up right down left down right top bottom centre cannot tell "
    "How is the camera moving? Is anything moving? What is moving? Is there a blue circle? nothing "
    "How many objects are there? zero one two three four five 0 1 2 3 4 5 6 7 8 9 "
    "What shape is the green object? Where is the yellow star? Is the red square coming closer? moving away "
    "Which is faster, the red square or the blue circle? Which moved first? Did the red square stop? start "
    "How many seconds ago did the blue circle appear? Has the view changed? same person bottle door robot "
    "before after first last near far the a an of in on at and or is was are were there here this that"
)


def corpus() -> list[str]:
    """Every sentence the tokenizer is made from."""
    lines = [VOCABULARY, *(f" {word}" for word in VOCABULARY.split()), *DIRECTIONS, *COLOURS]
    for template in DIRECTION_QUESTIONS + COLOUR_QUESTIONS:
        for colour in COLOURS:
            lines += [template.format(colour=colour, shape=shape) for shape in SHAPES]
    return lines
