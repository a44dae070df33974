"""A reader of captions of scenes that knows nothing of how they are made."""

import functools

from rnnjax.tasks.captioning.scenes import DigitScenes

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
RAINBOW = ["red", "yellow", "green", "blue", "purple", "white"]
OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}


class Untrue(Exception):
    pass


def demand(fact, why):
    if not fact:
        raise Untrue(why)


def digit_of(noun, count):
    """The digit that a noun names, by the spelling of English plurals."""
    for digit, name in enumerate(NAMES):
        plural = name + ("es" if name == "six" else "s")
        if noun == (name if count == 1 else plural):
            return digit
    raise Untrue(f"{noun} after {count}")


def read_phrase(words):
    """(count, size or None, colour, digit), taken from the front of `words`."""
    demand(len(words) >= 3, "an incomplete phrase")
    number = words.pop(0)
    demand(number in ("a", "two", "three"), "no number")
    count = ("a", "two", "three").index(number) + 1
    size = words.pop(0) if words[0] in ("small", "large") else None
    demand(len(words) >= 2, "an incomplete phrase")
    colour = words.pop(0)
    demand(colour in RAINBOW, "no colour")
    return count, size, colour, digit_of(words.pop(0), count)


def read_relation(words):
    word = words.pop(0)
    if word in ("left", "right"):
        demand(words and words.pop(0) == "of", "left of what")
        word += " of"
    demand(word in OPPOSITE, "no relation")
    return word


def centre(boxes):
    """Row and column of the middle of all of some boxes, doubled."""
    return (
        min(b.top for b in boxes) + max(b.bottom for b in boxes),
        min(b.left for b in boxes) + max(b.right for b in boxes),
    )


def lies(a, b, where):
    """Whether every box of `a` clearly lies there, seen from every box of `b`."""
    gap = {
        "above": lambda p, q: q.top - p.bottom,
        "below": lambda p, q: p.top - q.bottom,
        "left of": lambda p, q: q.left - p.right,
        "right of": lambda p, q: p.left - q.right,
    }[where]
    down, across = (abs(i - j) for i, j in zip(centre(a), centre(b), strict=True))
    along, aside = (down, across) if where in ("above", "below") else (across, down)
    return min(gap(p, q) for p in a for q in b) >= 3 and 2 * along >= 3 * aside


def verify(caption, scene):
    """Raises Untrue unless the caption says, by the rules of the language, what is to be seen."""
    words = list(caption)
    phrases, relations = [read_phrase(words)], []
    while words:
        if relations:
            demand(words.pop(0) == "and" and words, "what more")
        relations.append(read_relation(words))
        phrases.append(read_phrase(words))
    demand(len(phrases) <= 3, "too many phrases")
    boxes, kinds = {}, {}
    for group in scene.groups:
        boxes[group.colour], kinds[group.colour] = group.boxes, (group.digit, group.size)
    several_sizes = len({size for _, size in kinds.values()}) == 2
    demand([p[2] for p in phrases] == [c for c in RAINBOW if c in boxes], "other groups")
    for count, size, colour, digit in phrases:
        demand(len(boxes[colour]) == count, "another number")
        demand(kinds[colour][0] == digit, "another digit")
        demand(size == (kinds[colour][1] if several_sizes else None), "another size")
    for where, (_, _, colour, _) in zip(relations, phrases[1:], strict=True):
        demand(lies(boxes[phrases[0][2]], boxes[colour], where), f"not {where}")


def is_true(caption, scene):
    try:
        verify(caption, scene)
    except Untrue:
        return False
    return True


def boxes_of(scene):
    return [box for group in scene.groups for box in group.boxes]


@functools.cache
def some_scenes():
    """Three hundred scenes of each split; not to be changed."""
    return {
        split: [DigitScenes(split, seed=7)[i] for i in range(300)]
        for split in ("train", "validation", "test")
    }
