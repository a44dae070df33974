"""Which tags may follow which, as arrays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.errors import UserError
from rnnjax.schemes import Scheme, belongs_to, may_follow
from rnnjax.typing import Array


class Constraints(NamedTuple):
    """What a sequence of tags may look like; anything else is illegal.

    Attributes:
        transitions: bool [K, K], whether tag j may come right after tag i, at `[i, j]`.
        start: bool [K], whether a sequence may begin with a tag.
        end: bool [K], whether it may end with it.
    """

    transitions: np.ndarray | Array
    start: np.ndarray | Array
    end: np.ndarray | Array


def constraints(tags: Sequence[str], scheme: Scheme) -> Constraints:
    """The constraints by which a scheme writes spans.

    A sentence of any length has a legal sequence under them: in each scheme a tag that may be the
    whole of a sentence may also follow itself.

    Args:
        tags: the K tags, in the order of their numbers, such as `("O", "B-PER", "I-PER")`.
        scheme: how they mark spans.

    Raises:
        UserError: a tag is not of the scheme or occurs twice, or no tag may stand alone.
    """
    for number, tag in enumerate(tags):
        if not belongs_to(tag, scheme):
            raise UserError(f"tag {number}, {tag!r}, is not of the scheme {scheme}")
        if tag in tags[:number]:
            raise UserError(f"tag {number}, {tag!r}, occurs twice among the tags")
    allowed = Constraints(
        transitions=np.array([[may_follow(i, j, scheme) for j in tags] for i in tags], bool),
        start=np.array([may_follow(None, tag, scheme) for tag in tags], bool),
        end=np.array([may_follow(tag, None, scheme) for tag in tags], bool),
    )
    if not np.any(allowed.start & allowed.end):
        raise UserError(
            f"no sentence of one token has a legal {scheme} tag among [{', '.join(tags)}]: "
            f"it takes O or a tag for a span of one token"
        )
    return allowed
