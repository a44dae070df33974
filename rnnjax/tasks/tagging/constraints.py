"""Which tags may follow which by the rules of a tagging scheme."""

from collections.abc import Sequence

import numpy as np

from rnnjax.errors import UserError
from rnnjax.heads.constraints import Constraints
from rnnjax.tasks.tagging.schemes import Scheme, belongs_to, may_follow


def scheme_constraints(tags: Sequence[str], scheme: Scheme) -> Constraints:
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
