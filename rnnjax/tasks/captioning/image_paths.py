"""Images to be captioned: a file, or a folder of files."""

from rnnjax.data.files import existing
from rnnjax.data.images import IMAGE_SUFFIXES
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionedImage


def images_at(path: str) -> list[CaptionedImage]:
    """An image, or all images of a folder, ordered by name; files of other suffixes are skipped.

    Args:
        path: of the file or folder.

    Raises:
        UserError: there is no such path, or no image in the folder.
    """
    place = existing(path)
    if place.is_file():
        return [CaptionedImage(str(place), (), str(place))]
    found = sorted(file for file in place.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise UserError(f"no image in {path}: expected names ending in {', '.join(IMAGE_SUFFIXES)}")
    return [CaptionedImage(str(file), (), str(file)) for file in found]
