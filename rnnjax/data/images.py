"""Image files read as square uint8 arrays."""

import io
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rnnjax.data.files import regular_file
from rnnjax.errors import UserError, check_known

ResizePolicy = Literal["crop", "pad", "stretch"]

MAX_PIXELS = 1 << 26
"""An image that says it has more is refused before it is decoded."""

PAD_COLOUR = (127, 127, 127)

LIGHT = 127.5
"""An image whose corners are lighter is ink on light ground."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""How the names of images end."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "TIFF")


def read_image(path: str, *, size: int, policy: ResizePolicy) -> np.ndarray:
    """The image in a file, whatever its name ends in; see `decode_image`."""
    return decode_image(read_bytes(path), path, size=size, policy=policy)


def read_bytes(path: str) -> bytes:
    """The bytes of a file; raises UserError if there is none, or it cannot be read."""
    file = regular_file(path, ": expected an image")
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def decode_image(data: bytes, name: str, *, size: int, policy: ResizePolicy) -> np.ndarray:
    """An image as red, green and blue in a square.

    It is rotated as its EXIF orientation says. Grey becomes equal red, green and blue; 16 bits
    become 8 by scaling (65535 to 255); transparent becomes white; CMYK is converted without its
    colour profile; of several frames the first is taken. It is scaled by Pillow's antialiased
    bilinear interpolation. The policies are

    - `crop`: the shorter side becomes `size`, and of the longer the middle is kept.
    - `pad`: the longer side becomes `size`, and mid-grey (127) fills both ends of the shorter.
    - `stretch`: both sides become `size`, whatever the proportions were.

    Args:
        data: a whole JPEG, PNG, WebP, BMP, GIF, PNM or TIFF file.
        size: of both sides of the result, in pixels.
        policy: how what is not square is made so.

    Returns:
        uint8 [size, size, 3], red, green and blue.

    Raises:
        UserError: the data are no image, are broken or cut off, have more than `MAX_PIXELS` pixels
            or samples of 32 bits; or there is no such policy or size.
    """
    check_known("resize policy", policy, get_args(ResizePolicy))
    if size < 1:
        raise UserError(f"the size of images must be at least 1 pixel, got {size}")
    return np.array(_square(_decoded(data, name), size, policy))


def read_ink(path: str, size: int | None = None) -> np.ndarray:
    """How dark the ink is in an image of a digit or a drawing.

    The grey of a pixel is the mean of red, green and blue. Where the median of the four corners is
    light, the ground is taken to be light and the image is inverted.

    Args:
        size: of both sides, in pixels: the longer side is scaled to it, and ground fills both ends
            of the shorter. None: the image keeps its size.

    Returns:
        float32 `[H, W]`, 0 (ground) to 1 (ink).

    Raises:
        UserError: see `decode_image`.
    """
    grey = np.array(_decoded(read_bytes(path), path)).mean(axis=-1)
    corners = grey[[0, 0, -1, -1], [0, -1, 0, -1]]
    ink = (255 - grey if np.median(corners) > LIGHT else grey).round().astype(np.uint8)
    if size is not None:
        ink = np.array(_square(Image.fromarray(ink), size, "pad", ground=0))
    return ink.astype(np.float32) / 255


def _decoded(data: bytes, name: str) -> Image.Image:
    """The image in a file, upright and as RGB."""
    if not data:
        raise UserError(f"{name} is an empty file: expected an image")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(name, f"{image.width:,} x {image.height:,}")
            return _rgb(image, name)
    except (UserError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, "far too many") from error
    except UnidentifiedImageError as error:
        kinds = ", ".join(_FORMATS)
        what = f"{name} is no image of a kind that is read ({kinds})"
        raise UserError(f"{what}: it begins with {data[:16]!r}") from error
    except Exception as error:  # Pillow's decoders fail in as many ways as there are formats.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{name} is a broken image: {reason}") from error


def _too_large(name: str, pixels: str) -> UserError:
    return UserError(
        f"{name} has {pixels} pixels, and no more than {MAX_PIXELS:,} are decoded: it may be a "
        f"decompression bomb; if it is not, scale it down first"
    )


def _rgb(image: Image.Image, name: str) -> Image.Image:
    is_wide_pnm = image.mode == "I" and image.format == "PPM"  # Pillow scales it to 0..65535
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or is_wide_pnm:
        wide = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise UserError(f"{name} has samples of 32 bits, which have no agreed range: save it in 8")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def _square(
    image: Image.Image, size: int, policy: ResizePolicy, ground: int | tuple[int, ...] = PAD_COLOUR
) -> Image.Image:
    if policy == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    if policy == "crop":
        left, top = ((length - min(image.size)) / 2 for length in image.size)
        box = (left, top, left + min(image.size), top + min(image.size))
        return image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    scale = size / max(image.size)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    padded = Image.new(image.mode, (size, size), ground)
    corner = ((size - inner[0]) // 2, (size - inner[1]) // 2)
    padded.paste(image.resize(inner, Image.Resampling.BILINEAR), corner)
    return padded
