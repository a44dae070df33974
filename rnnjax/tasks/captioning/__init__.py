"""Image captioning: images in, sentences out."""

from rnnjax.tasks.captioning.assembly import make_captioner
from rnnjax.tasks.captioning.captioner import Captioner
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.image_captioner import Caption, ImageCaptioner, Search
from rnnjax.tasks.captioning.preparation import prepare
from rnnjax.tasks.captioning.splits import load_split

__all__ = [
    "Caption",
    "Captioner",
    "CaptionerConfig",
    "ImageCaptioner",
    "Search",
    "load_split",
    "make_captioner",
    "prepare",
]
