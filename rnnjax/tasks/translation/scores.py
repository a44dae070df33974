"""How good translations are: BLEU and chrF of a corpus, exact shares of generated data."""

from collections.abc import Callable, Sequence
from typing import Any

from flax import nnx

from rnnjax import training
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.models.decoding import SAMPLED, Search, sample_text
from rnnjax.models.seq2seq import Seq2Seq
from rnnjax.tasks.translation.config import TranslationConfig
from rnnjax.tasks.translation.preparation import Prepared, pair_examples
from rnnjax.tasks.translation.translator import Translator, make_loss


def translation_scores(
    metric: str, translations: Sequence[str], references: Sequence[str]
) -> dict[str, float]:
    """Scores of the translations of a split, in percent.

    Args:
        metric: "bleu": `bleu` and `chrf`, by sacrebleu with its default settings (for BLEU the
            tokenizer 13a, one reference, case kept). "exact": the share `exact` of translations
            that are the reference letter for letter, and the character error rate `cer`, the
            edits that turn translations into references, by the characters of the references.
        translations: texts as they are written, detokenized.
        references: one of each.

    References:
        Post 2018, "A call for clarity in reporting BLEU scores".
    """
    pairs = list(zip(translations, references, strict=True))
    if metric == "exact":
        errors = sum(edit_distance(*pair) for pair in pairs)
        right = sum(translation == reference for translation, reference in pairs)
        letters = sum(map(len, references))
        return {"exact": 100 * right / len(pairs), "cer": 100 * errors / letters}
    import sacrebleu  # It takes a second.

    return {
        # `force` is for corpora that come in tokens: the same score, without a warning a call.
        "bleu": sacrebleu.corpus_bleu(translations, [references], force=True).score,
        "chrf": sacrebleu.corpus_chrf(translations, [references]).score,
    }


def edit_distance(one: str, other: str) -> int:
    """The fewest insertions, deletions and substitutions of characters between two texts."""
    above = list(range(len(other) + 1))
    for n, letter in enumerate(one, 1):
        row = [n]
        for m, another in enumerate(other):
            row.append(min(above[m] + (letter != another), above[m + 1] + 1, row[m] + 1))
        above = row
    return above[-1]


def make_evaluation(
    config: TranslationConfig,
    graph: nnx.GraphDef,
    prepared: Prepared,
    placement: training.Placement = training.LOCAL,
) -> Callable[[Any], dict[str, float]]:
    """Makes the function that judges parameters on the validation split.

    Args:
        config: of the run.
        graph: of the model.
        prepared: its data.
        placement: where the parameters live.

    Returns:
        ``(params) -> {"loss", ...}``: the loss in nats a symbol of the references, and the scores
        of `translation_scores` for translations that are written greedily.
    """
    pairs = prepared.corpus.splits["validation"]
    examples = pair_examples(
        pairs, prepared.vocabulary, prepared.lengths, reverse=config.reverse_source
    )
    batches = EvaluationBatches(examples, batch_size=config.batch_size)
    step = training.make_eval_step(make_loss(config, graph), placement)
    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]

    def evaluate(params: Any) -> dict[str, float]:
        loss = training.evaluate(step, params, None, batches, placement)
        model = nnx.merge(graph, placement.gather(params))
        texts = [one.text for one in _greedy(config, prepared, model).translate(sources)]
        return {**loss, **translation_scores(config.metric, texts, references)}

    return evaluate


def sample(config: TranslationConfig, prepared: Prepared, model: Seq2Seq) -> str:
    """The first validation pairs and what the model writes for them greedily."""
    sources, references, *_ = zip(*prepared.corpus.splits["validation"][:SAMPLED], strict=True)
    found = _greedy(config, prepared, model).translate(sources)
    return sample_text(sources, references, [one.text for one in found])


def _greedy(config: TranslationConfig, prepared: Prepared, model: Seq2Seq) -> Translator:
    lengths, search = prepared.lengths, Search(beam_size=1)
    return Translator(model, prepared.vocabulary, lengths, config.reverse_source, search)
