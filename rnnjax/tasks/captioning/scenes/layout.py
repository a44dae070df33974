"""Where the digits of a scene go: by trial, until all of them lie plainly where a caption says."""

from collections.abc import Callable, Sequence

from rnnjax.tasks.captioning.scenes.boxes import CLEAR_GAP, Box, apart, around, relation

Draw = Callable[[], float]
"""Gives another random number in [0, 1) at every call."""

SPACING = (2, 5)
"""Pixels between a digit and the next one of its group, at least and at most."""

SHIFT = 4
"""Pixels that the next one is at most moved along the side of the one that it is put beside."""


def lay_out(
    shapes: Sequence[Sequence[tuple[int, int]]], side: int, draw: Draw
) -> list[tuple[Box, ...]] | None:
    """Tries once to find a place for every digit of a scene.

    The first digit of a group may be anywhere; each further one is beside the one before it.

    Args:
        shapes: height and width of the digits, group by group.
        side: height and width of the scene, in pixels.
        draw: random numbers.

    Returns:
        The boxes of each group; None where this try went wrong. The digits of a group are at least
        SPACING[0] pixels apart; the boxes around the groups are CLEAR_GAP pixels apart, and the
        first has a `relation` to each of the others.
    """
    placed: list[tuple[Box, ...]] = []
    hulls: list[Box] = []
    for members in shapes:
        group = _group(members, side, draw)
        if group is None:
            return None
        hull = around(group)
        if hulls and relation(hulls[0], hull) is None:
            return None
        if not all(apart(hull, other, CLEAR_GAP) for other in hulls[1:]):
            return None
        placed.append(group)
        hulls.append(hull)
    return placed


def _group(shapes: Sequence[tuple[int, int]], side: int, draw: Draw) -> tuple[Box, ...] | None:
    (height, width), *others = shapes
    top, left = int(draw() * (side - height + 1)), int(draw() * (side - width + 1))
    boxes = [Box(top, left, top + height, left + width)]
    for height, width in others:
        box = _beside(boxes[-1], height, width, draw)
        if min(box.top, box.left) < 0 or max(box.bottom, box.right) > side:
            return None
        if not all(apart(box, other, SPACING[0]) for other in boxes):
            return None
        boxes.append(box)
    return tuple(boxes)


def _beside(box: Box, height: int, width: int, draw: Draw) -> Box:
    least, most = SPACING
    space = least + int(draw() * (most - least + 1))
    shift = int(draw() * (2 * SHIFT + 1)) - SHIFT
    which = int(draw() * 4)
    if which < 2:
        left = box.left + shift
        top = box.bottom + space if which == 0 else box.top - space - height
    else:
        top = box.top + shift
        left = box.right + space if which == 2 else box.left - space - width
    return Box(top, left, top + height, left + width)
