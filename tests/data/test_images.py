"""Images of every kind, made by Pillow or by hand, against NumPy."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from rnnjax.data.images import MAX_PIXELS, decode_image, read_image, read_ink
from rnnjax.errors import UserError


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(data, size=2, policy="stretch"):
    return decode_image(data, "a.jpg", size=size, policy=policy)


def message(data, **options):
    with pytest.raises(UserError) as error:
        decode(data, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_an_image_of_the_right_size_stays_as_it_is():
    pixels = noise(5, 5)
    for policy in ("crop", "pad", "stretch"):
        np.testing.assert_array_equal(decode(encoded(Image.fromarray(pixels)), 5, policy), pixels)


def test_scaling_down_takes_all_pixels_into_account():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    grey = decode(encoded(Image.fromarray(stripes)), 8)
    assert np.abs(grey[1:-1, 1:-1].astype(int) - 100).max() <= 2


def test_crop_keeps_the_middle_of_the_longer_side():
    pixels = noise(4, 10)
    for array, middle in [(pixels, pixels[:, 3:7]), (pixels.swapaxes(0, 1), pixels[:, 3:7])]:
        expected = middle if array is pixels else middle.swapaxes(0, 1)
        np.testing.assert_array_equal(
            decode(encoded(Image.fromarray(np.ascontiguousarray(array))), 4, "crop"), expected
        )


def test_pad_keeps_all_and_fills_both_ends_with_grey():
    pixels = noise(2, 6)
    padded = decode(encoded(Image.fromarray(pixels)), 6, "pad")
    np.testing.assert_array_equal(padded[2:4], pixels)
    assert (padded[[0, 1, 4, 5]] == 127).all()
    turned = decode(encoded(Image.fromarray(pixels.swapaxes(0, 1).copy())), 6, "pad")
    np.testing.assert_array_equal(turned, padded.swapaxes(0, 1))
    assert decode(encoded(Image.new("RGB", (1000, 1), "red")), 8, "pad").tolist()[3][4] == [
        255, 0, 0]  # fmt: skip


def test_stretch_reaches_every_border():
    pixels = np.zeros((4, 12, 3), np.uint8)
    pixels[:, :4] = [250, 0, 0]
    pixels[:, 8:] = [0, 0, 250]
    stretched = decode(encoded(Image.fromarray(pixels)), 3)
    assert stretched[0, 0, 0] > 200
    assert stretched[2, 2, 2] > 200
    assert stretched[1, 1].max() < 60


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (Image.new("L", (3, 3), 77), "PNG", [77, 77, 77]),
        (Image.new("1", (3, 3), 1), "PNG", [255, 255, 255]),
        (Image.new("RGB", (3, 3), (9, 8, 7)).convert("P", palette=1), "GIF", [9, 8, 7]),
        (Image.new("CMYK", (3, 3), (255, 0, 0, 0)), "TIFF", [0, 255, 255]),
        (Image.new("RGBA", (3, 3), (200, 0, 100, 0)), "PNG", [255, 255, 255]),
        (Image.new("RGBA", (3, 3), (200, 0, 100, 51)), "PNG", [244, 204, 224]),
        (Image.new("LA", (3, 3), (0, 51)), "PNG", [204, 204, 204]),
        (Image.new("I;16", (3, 3), 257 * 50), "PNG", [50, 50, 50]),
        (Image.new("I;16", (3, 3), 65535), "TIFF", [255, 255, 255]),
        (Image.new("I;16", (3, 3), 257 * 50), "PPM", [50, 50, 50]),
    ],
    ids=lambda value: getattr(value, "mode", ""),
)
def test_every_kind_of_pixel_becomes_red_green_and_blue(image, kind, expected):
    pixels = decode(encoded(image, kind))
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == [[expected] * 2] * 2


def test_a_transparent_palette_entry_shows_white():
    image = Image.new("P", (3, 3), 1)
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert decode(encoded(image))[0, 0].tolist() == [40, 50, 60]
    assert decode(encoded(image, transparency=1))[0, 0].tolist() == [255, 255, 255]
    assert decode(encoded(image, "GIF", transparency=1))[0, 0].tolist() == [255, 255, 255]


def test_a_cmyk_jpeg_has_the_colours_that_it_was_saved_with():
    red = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    assert np.abs(decode(red).astype(int) - [255, 0, 0]).max() < 8


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, np.rot90),
        (7, lambda a: np.rot90(a, 2).swapaxes(0, 1)),
        (8, lambda a: np.rot90(a, -1)),
    ],
)
def test_a_camera_held_any_way_gives_an_upright_image(orientation, undo):
    upright = noise(4, 6)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(undo(upright))), exif=exif)
    np.testing.assert_array_equal(decode(data, 4, "crop"), upright[:, 1:5])


def test_the_name_of_a_file_does_not_matter(tmp_path):
    pixels = noise(4, 4)
    (tmp_path / "really.jpg").write_bytes(encoded(Image.fromarray(pixels), "PNG"))
    read = read_image(str(tmp_path / "really.jpg"), size=4, policy="crop")
    np.testing.assert_array_equal(read, pixels)
    read[:] = 0  # the caller's own


def test_what_is_no_image_is_named(tmp_path):
    assert "a.jpg is no image of a kind" in message(b"dear all,\nthis is")
    assert r"it begins with b'dear all,\nthis i'" in message(b"dear all,\nthis is")
    assert message(b"") == "a.jpg is an empty file: expected an image"
    assert "a.jpg is no image" in message(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "dog.jpg").touch()
    for name, told in [
        ("dig.jpg", r"dig\.jpg does not exist \(nearest in .*: dog\.jpg\)"),
        ("dog.jpg", r"dog\.jpg is an empty file"),
        ("", "is a folder, not a file"),
    ]:
        with pytest.raises(UserError, match=told):
            read_image(str(tmp_path / name), size=4, policy="crop")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_image_that_is_cut_off_is_named(kind, share):
    data = encoded(Image.fromarray(noise(64, 64)), kind)
    assert decode(data, 8).shape == (8, 8, 3)
    assert "a.jpg is " in message(data[: int(len(data) * share)])


def test_a_damaged_byte_is_found():
    data = bytearray(encoded(Image.fromarray(noise(16, 16))))
    data[len(data) // 2] ^= 255
    assert "a.jpg is a broken image: " in message(bytes(data))


def test_samples_without_a_range_are_refused():
    data = encoded(Image.new("F", (3, 3), 0.5), "TIFF")
    assert message(data).startswith("a.jpg has samples of 32 bits")


def huge_png(width, height):
    def chunk(kind, body):
        data = kind + body
        return struct.pack(">I", len(body)) + data + struct.pack(">I", zlib.crc32(data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9))


@pytest.mark.parametrize("side", [8193, 9500, 14000, 60000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side):
    limit = Image.MAX_IMAGE_PIXELS
    told = message(huge_png(side, side))
    assert f"and no more than {MAX_PIXELS:,} are decoded" in told
    assert "a.jpg has " in told
    assert limit == Image.MAX_IMAGE_PIXELS
    assert "broken" in message(huge_png(8192, 8))


def test_a_wrong_policy_or_size_is_told(tmp_path):
    with pytest.raises(
        UserError, match=r"policy 'corp'; did you mean 'crop'.* Valid: crop, pad, st"
    ):
        decode(b"", policy="corp")
    with pytest.raises(UserError, match="at least 1 pixel, got 0"):
        decode(b"", 0)


@pytest.mark.parametrize("light_ground", [False, True])
def test_an_image_is_read_as_ink_on_ground(tmp_path, light_ground):
    """A tall image, too: what fills its sides is ground, whatever the ground was."""
    ink = np.zeros((12, 6), np.uint8)
    ink[2:6, 3:5] = 255
    Image.fromarray(255 - ink if light_ground else ink).save(tmp_path / "one.png")
    np.testing.assert_allclose(read_ink(str(tmp_path / "one.png")), ink / 255, atol=1e-6)
    square = np.pad(ink, [(0, 0), (3, 3)]) / 255
    np.testing.assert_allclose(read_ink(str(tmp_path / "one.png"), 12), square, atol=1e-6)
