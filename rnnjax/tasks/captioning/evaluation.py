"""What training asks of a captioner: how well it captions a held-out split."""

from collections.abc import Callable
from typing import Any

from flax import nnx

from rnnjax import training
from rnnjax.tasks.captioning.image_captioner import ImageCaptioner, Search
from rnnjax.tasks.captioning.scoring import score
from rnnjax.tasks.captioning.splits import Split
from rnnjax.tasks.captioning.vocabulary import CaptionVocabulary


def make_evaluation(
    graph: nnx.GraphDef,
    vocabulary: CaptionVocabulary,
    split: Split,
    *,
    max_length: int,
    placement: training.Placement = training.LOCAL,
) -> Callable[[Any], dict[str, float]]:
    """Makes the function that judges parameters on a split.

    Args:
        graph: of the captioner.
        vocabulary: of the captioner.
        split: with references.
        max_length: symbols after which captions are cut off.
        placement: where the parameters live.

    Returns:
        ``(params) -> {"loss", "bleu4", "exact"}`` and "pointing" where it is known: the loss in
        nats a word of the first references, the others of captions written greedily, 0 to 1.
    """

    def evaluate(params: Any) -> dict[str, float]:
        captioner = ImageCaptioner(nnx.merge(graph, placement.gather(params)), vocabulary)
        captions = captioner.write(split, Search(beam_size=1, max_length=max_length))
        found = score(split, captions, captioner.read(split))
        results = {
            "loss": found.loss,
            "bleu4": found.captions.bleu4 / 100,
            "exact": found.exact,
        }
        if found.pointing is not None:
            results["pointing"] = found.pointing.accuracy
        return results

    return evaluate
