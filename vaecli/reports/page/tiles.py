"""Small images side by side, each with what is shown where it is hovered."""

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vaecli.reports.style import tile_size

MOST_PIXELS = 48  # along a side; a larger image is reduced
SHARP = 32  # a coloured image of more pixels is a photograph, and compressed like one


class Tile(NamedTuple):
    """One image."""

    source: str  # a data: address
    width: int
    height: int
    tip: str
    words: str = ""  # below it


class Tiles(NamedTuple):
    """A row of images with its name."""

    name: str
    words: str
    tiles: Sequence[Tile]


class TileChart(NamedTuple):
    """Rows of images; aligned below each other, or wrapped where there is no room."""

    title: str
    words: str
    rows: Sequence[Tiles]
    wrapped: bool = False

    @property
    def picture(self) -> "TileChart":
        return self


def tiles(
    images: NDArray[np.float32], tips: Sequence[str], words: Sequence[str] = (), *, negative: bool = True
) -> list[Tile]:
    """Encodes images [N, H, W] or [N, H, W, 3] in [0, 1].

    Args:
        negative: grey images are drawn dark on white, as in all figures.
    """
    wide, high = tile_size(images)
    longest = max(images.shape[1:3])
    found = []
    for place, (image, tip) in enumerate(zip(images, tips, strict=True)):
        grey = image.ndim == 2
        pixels = np.round(255 * (1 - image if grey and negative else image).clip(0, 1)).astype(np.uint8)
        picture = Image.fromarray(pixels)
        if longest > MOST_PIXELS:
            size = (round(MOST_PIXELS * wide), round(MOST_PIXELS * high))
            picture = picture.resize(size, Image.Resampling.BOX)
        lossy = not grey and longest > SHARP
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=88) if lossy else picture.save(buffer, "PNG", optimize=True)
        address = f"data:image/{'jpeg' if lossy else 'png'};base64,{base64.b64encode(buffer.getvalue()).decode()}"
        shown = round(56 * wide), round(56 * high)
        found.append(Tile(address, *shown, tip, words[place] if words else ""))
    return found
