"""Corpora of images with captions by name."""

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import replace

from rnnjax.data.named_splits import SPLITS
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.annotation_files import read_annotations
from rnnjax.tasks.captioning.annotation_formats import Listed
from rnnjax.tasks.captioning.captioned_images import CaptionCorpus, counted, shortened
from rnnjax.tasks.captioning.config import CaptionData
from rnnjax.tasks.captioning.corpus_checks import gathered, notes_on_captions, notes_on_files, some
from rnnjax.tasks.captioning.tfds_captions import captioned_examples

_log = logging.getLogger(__name__)


def load_captions(config: CaptionData, *, tfds_data_dir: str | None = None) -> CaptionCorpus:
    """Loads a corpus of images with captions; no image is decoded.

    `config.data` is one of

    - Flickr8k or Flickr30k: a folder with `NAME.token.txt` or `NAME.token` (`a.jpg#0<TAB>caption`),
      or Kaggle's `captions.txt` (`image,caption`), and beside it the lists of the splits, .txt
      files with train, val, dev or test in their names such as `Flickr_8k.trainImages.txt`;
    - Karpathy's `dataset_flickr8k.json`, `dataset_coco.json` and their kin: the file, or a folder
      with one of them; `restval` becomes part of `train`;
    - COCO: a folder with `captions_train2014.json` and `captions_val2014.json`, in it or in its
      `annotations`, and the folders of images `train2014` and `val2014`;
    - a folder with `train.tsv`, `validation.tsv` and maybe `test.tsv` (`image<TAB>caption`) or the
      like in .jsonl (`{"image": ..., "caption": ...}` or `"captions": [...]`); one such file; or
      `train=PATH,validation=PATH,test=PATH` of such files;
    - `tfds:NAME` or `tfds:NAME:FEATURE`, in the manner of `tfds:coco_captions`.

    Faulty are: an image that does not exist, is listed twice or has no caption; a caption without a
    word, of an unknown image, or with the number of another; a line of another form. Notes are
    made of captions with more than `max_words` words as `caption_words` splits them, captioned
    images in no split list, repeated captions and image files without a caption.

    Images of a source without splits are held out by their names: the same names always give the
    same splits. Long captions are truncated in training only; those of other splits are references.

    Args:
        config: which source, and what becomes of it.
        tfds_data_dir: TFDS's folder; None: its default.

    Raises:
        UserError: there is no such source, it cannot be read, something in it is faulty, or a split
            is missing.
    """
    source, max_words = config.data, config.max_words
    is_tfds = source.startswith("tfds:")
    if not is_tfds:
        annotations = read_annotations(source, images=config.images, encoding=config.encoding)
    elif config.images is None:
        annotations = captioned_examples(source.removeprefix("tfds:"), data_dir=tfds_data_dir)
    else:
        raise UserError(f"images={config.images!r} has no use: {source} holds its images itself")
    drawn = _in_splits(source, annotations.listed, config.held_out)
    found, faults = gathered(annotations._replace(listed=drawn))
    if faults and not config.skip_faulty:
        others = f". {counted(len(faults) - 1, 'more fault')} like it" if faults[1:] else ""
        raise UserError(f"{faults[0].message}{others}. With skip_faulty what is faulty is left out")
    splits = {split: found[split] for split in SPLITS if split in found}
    for split in ("train", "validation"):
        if not splits.get(split):
            raise UserError(f"{source} has no {split} split with captioned images in it")
    notes = [] if is_tfds else list(notes_on_files(annotations))
    truncated = config.long_captions == "truncate"
    notes += notes_on_captions(splits, max_words, truncated)
    if truncated:
        splits["train"] = [
            replace(image, captions=tuple(shortened(c, max_words) for c in image.captions))
            for image in splits["train"]
        ]
    if faults:
        _log.warning("%s: left out as faulty: %s", source, some([f.message for f in faults]))
    return CaptionCorpus(splits, tuple(faults), tuple(notes))


def _in_splits(source: str, listed: Sequence[Listed], held_out: float | None) -> list[Listed]:
    without = [image for image in listed if image.split is None]
    if held_out is None:
        if without:
            raise UserError(
                f"{source} does not say which image is in which split: add lists or files of "
                f"splits, or set held_out, the share of images to be kept aside"
            )
        return list(listed)
    if not without:
        raise UserError(f"held_out={held_out} has no use: {source} has splits of its own")
    if not 0 < held_out < 0.5:
        raise UserError(f"held_out must lie in (0, 0.5), got {held_out}")
    count = max(1, round(held_out * len(listed)))
    order = sorted((image.image for image in listed), key=_digest)
    split_of = dict.fromkeys(order[:count], "validation")
    split_of |= dict.fromkeys(order[count : 2 * count], "test")
    return [image._replace(split=split_of.get(image.image, "train")) for image in listed]


def _digest(image: str) -> bytes:
    return hashlib.sha256(os.path.basename(image).encode()).digest()
