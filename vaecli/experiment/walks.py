"""Images on the way from one code to another: a traversal of one at a time, and an interpolation between two images."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vaecli.config.latent import Latent

MOST_VALUES = 16  # of a code, the most used
DEVIATIONS = np.linspace(-2, 2, 9)  # that a number is changed to, from the mean of the test images' encodings


class Walk(NamedTuple):
    """Latents in a row, flat, and a word for each."""

    label: str
    latents: NDArray[Any]  # [S, N] codes, or [S, D] of a vector
    words: list[str]
    marked: int | None = None  # which of them the image itself has


def traversal(latent: Latent, encodings: NDArray[Any], start: NDArray[Any], rows: int) -> list[Walk]:
    """One code changed through its values, or one number of a vector through -2 to 2 standard deviations.

    The codes are those whose values the images use most evenly, by the entropy of their use; of a vector it is the
    numbers whose encodings have the largest deviation. Others stay as they are.

    Args:
        encodings: [M, N] codes, or [M, D] means, of many images.
        start: [N] or [D], of the image that is changed.
        rows: how many codes or numbers at most.
    """
    walk = _of_code if latent.discrete else _of_number
    spread = [_entropy(column) if latent.discrete else float(column.std()) for column in encodings.T]
    most = np.argsort(-np.array(spread), kind="stable")[:rows]
    chosen = [place for place in np.sort(most) if spread[place] > 0] or [int(most[0])]
    return [walk(latent, encodings[:, place], start, int(place)) for place in chosen]


def interpolation(latent: Latent, ends: tuple[NDArray[Any], NDArray[Any]], steps: int) -> Walk:
    """From the codes of one image to those of another, changed one after the other; of vectors along the line.

    Args:
        ends: [N] codes, or [D], of both images.
        steps: both ends included; at most one for each code that differs.
    """
    one, two = ends
    if not latent.discrete:
        shares = np.linspace(0, 1, steps, dtype=np.float32)
        return Walk("", one + shares[:, None] * (two - one), [f"{100 * share:.0f}%" for share in shares])
    differing = np.flatnonzero(one != two)
    changed = np.linspace(0, len(differing), min(steps, len(differing) + 1)).round().astype(int)
    latents = np.tile(one, (len(changed), 1))
    for row, count in zip(latents, changed, strict=True):
        row[differing[:count]] = two[differing[:count]]
    return Walk("", latents, [f"{count} of {len(differing)}" for count in changed])


def _of_code(latent: Latent, used: NDArray[np.int32], start: NDArray[np.int32], place: int) -> Walk:
    assert latent.alphabets is not None
    counts = np.bincount(used, minlength=latent.alphabets[place % latent.codes_per_position])
    values = [value for value in np.argsort(-counts, kind="stable")[:MOST_VALUES] if counts[value]]
    if start[place] not in values:
        values = [*values[: MOST_VALUES - 1], start[place]]
    latents = np.tile(start, (len(values), 1))
    latents[:, place] = values
    return Walk(_place(latent, place), latents, [str(value) for value in values], values.index(start[place]))


def _of_number(latent: Latent, means: NDArray[np.float32], start: NDArray[np.float32], place: int) -> Walk:
    latents = np.tile(start, (len(DEVIATIONS), 1))
    latents[:, place] = means.mean() + DEVIATIONS * means.std()
    return Walk(_place(latent, place), latents, [f"{number:.2f}" for number in latents[:, place]])


def _place(latent: Latent, place: int) -> str:
    """The name of a code or a number: where it stands, counted from 1."""
    size = latent.codes_per_position * (1 if latent.discrete else latent.width)
    position, inside = divmod(place, size)
    what = f"{'code' if latent.discrete else 'number'} {inside + 1}" if size > 1 or latent.num_positions == 1 else ""
    if latent.num_positions == 1:
        return what
    row, column = divmod(position, latent.positions[1])
    return f"row {row + 1}, column {column + 1}" + (f"\n{what}" if what else "")


def _entropy(column: NDArray[np.int32]) -> float:
    counts = np.bincount(column)
    shares = counts[counts > 0] / len(column)
    return float(-(shares * np.log(shares)).sum())
