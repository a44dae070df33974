"""Several captioners that write one caption together."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.models.memory import Glance, Memory, Reading
from rnnjax.models.network import Network
from rnnjax.tasks.captioning.captioner import Captioner
from rnnjax.typing import Array, Carry


class CaptionEnsemble(Network):
    """At each word, the mean of what M captioners hold likely.

    ::

        p(word | words before, image) = 1/M sum_m p_m(word | words before, image)

    They differ in what chance made of them, in their initial parameters and the order of their
    data, so their mean errs less than each of them. Each keeps its own carry and looks where it
    wants; the maps and gates of the glances are means over those that look.

    To `captioning.ImageCaptioner` it is a captioner.

    Attributes:
        locations: of the features, the same for all.
        attends: whether any of them does.

    References:
        Vinyals et al. 2016, "Show and tell: lessons learned from the 2015 MSCOCO image captioning
        challenge", section 5.3.
    """

    def __init__(self, members: Sequence[Captioner]):
        """Takes trained captioners of one vocabulary.

        Args:
            members: one at least.

        Raises:
            UserError: they see other features.
        """
        self.locations = members[0].locations
        for member in members:
            if member.locations != self.locations:
                raise UserError(
                    "captioners that write together see the same features; "
                    f"got {self.locations} and {member.locations}"
                )
        self.attends = any(member.attends for member in members)
        self.members = nnx.List(members)

    def look(self, batch: dict[str, Array]) -> tuple[Memory, ...]:
        """What each keeps of the images; see `Captioner.look`."""
        return tuple(member.look(batch) for member in self.members)

    def initial_carry(self, memories: tuple[Memory, ...]) -> tuple[Carry, ...]:
        """The carries before the first word of each image."""
        pairs = zip(self.members, memories, strict=True)
        return tuple(member.initial_carry(memory) for member, memory in pairs)

    def step(
        self, memories: tuple[Memory, ...], carries: tuple[Carry, ...], words: Array
    ) -> tuple[Array, Glance, tuple[Carry, ...]]:
        """One word; see `Captioner.step`. The logits are log-probabilities."""
        triples = zip(self.members, memories, carries, strict=True)
        steps = [member.step(memory, carry, words) for member, memory, carry in triples]
        logits, glances, carries = zip(*steps, strict=True)
        return _log_mean(logits), _mean(glances), carries

    def read(self, batch: dict[str, Array]) -> Reading:
        """Reads given captions; see `Captioner.read`. The logits are log-probabilities."""
        readings = [member.read(batch) for member in self.members]
        logits = _log_mean([reading.logits for reading in readings])
        glances = _mean([reading.glances for reading in readings])
        return readings[0]._replace(logits=logits, glances=glances, extra=None)


def _log_mean(logits: Sequence[Array]) -> Array:
    """The logarithm of the mean of the probabilities."""
    stacked = jax.nn.log_softmax(jnp.stack(logits))
    return jax.nn.logsumexp(stacked, axis=0) - jnp.log(len(logits))


def _mean(glances: Sequence[Glance]) -> Glance:
    looking = [glance for glance in glances if glance.weights is not None]
    if not looking:
        return Glance()
    mean = jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *looking)
    return mean._replace(scores=None)
