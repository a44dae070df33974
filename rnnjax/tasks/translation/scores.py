"""How good translations are: BLEU and chrF of a corpus, exact shares of generated data."""

from collections.abc import Sequence

from rnnjax.data.prepared import Prepared
from rnnjax.models.decoding import SAMPLED, Search, sample_text
from rnnjax.models.seq2seq import Seq2Seq
from rnnjax.tasks.translation.config import TranslationConfig
from rnnjax.tasks.translation.translator import Translator


def translation_scores(
    metric: str, translations: Sequence[str], references: Sequence[str]
) -> dict[str, float]:
    """Scores of the translations of a split, in percent.

    Args:
        metric: "bleu": `bleu` and `chrf`, by sacrebleu with its default settings (for BLEU the
            tokenizer 13a, one reference, case kept). "exact": the share `exact` of translations
            that are the reference letter for letter.
        translations: texts as they are written, detokenized.
        references: one of each.

    References:
        Post 2018, "A call for clarity in reporting BLEU scores".
    """
    if metric == "exact":
        right = sum(one == other for one, other in zip(translations, references, strict=True))
        return {"exact": 100 * right / len(references)}
    import sacrebleu  # It takes a second.

    return {
        # `force` is for corpora that come in tokens: the same score, without a warning a call.
        "bleu": sacrebleu.corpus_bleu(translations, [references], force=True).score,
        "chrf": sacrebleu.corpus_chrf(translations, [references]).score,
    }


def validation_scores(
    config: TranslationConfig, prepared: Prepared, model: Seq2Seq
) -> dict[str, float]:
    """`translation_scores` of the validation split, translated greedily."""
    pairs = prepared.splits["validation"]
    texts = _write(config, prepared, model, [pair.source for pair in pairs])
    return translation_scores(config.metric, texts, [pair.target for pair in pairs])


def sample(config: TranslationConfig, prepared: Prepared, model: Seq2Seq) -> str:
    """The first validation pairs and what the model writes for them greedily."""
    sources, references, *_ = zip(*prepared.splits["validation"][:SAMPLED], strict=True)
    return sample_text(sources, references, _write(config, prepared, model, sources))


def _write(
    config: TranslationConfig, prepared: Prepared, model: Seq2Seq, sources: Sequence[str]
) -> list[str]:
    vocabulary, lengths, greedy = prepared.vocabulary, prepared.lengths, Search(beam_size=1)
    translator = Translator(model, vocabulary, lengths, config, greedy)
    return [one.text for one in translator.translate(sources)]
