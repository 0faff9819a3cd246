"""What the codes of a grid draw, against loops over images and cells."""

import numpy as np
import pytest

from vaecli.config import config_from_text
from vaecli.evaluation.cells import drawn_by_codes
from vaecli.models.autoencoder import build


@pytest.mark.parametrize("image", [(8, 8), (9, 7)])
def test_a_code_draws_the_mean_of_its_cells_and_a_grid_of_its_own(image):
    text = "model: {name: vqvae, num_codes: 6, code_dim: 3}\nnetwork: {kind: conv, channels: [4, 4]}"
    model = build(config_from_text(text), image)
    down, across = model.latent.positions
    codes = np.random.default_rng(0).choice([0, 2, 2, 5], (30, down * across)).astype(np.int32)
    found = drawn_by_codes(model, codes)
    assert found.codes.tolist() == sorted({0, 2, 5}, key=lambda code: -(codes == code).sum())
    images = model.pixels(model.bottleneck.lookup(codes)).numpy()[..., 0]
    high, wide = -(-image[0] // down), -(-image[1] // across)
    for place, code in enumerate(found.codes):
        grid = np.full((1, down * across), code)
        np.testing.assert_allclose(found.alone[place], model.pixels(model.bottleneck.lookup(grid))[0], atol=1e-6)
        cells = []
        for picture, of_image in zip(images, codes.reshape(-1, down, across), strict=True):
            for i, j in np.argwhere(of_image == code):
                top = min(round(i * image[0] / down), image[0] - high)
                left = min(round(j * image[1] / across), image[1] - wide)
                cells.append(picture[top : top + high, left : left + wide])
        np.testing.assert_allclose(found.in_place[place, ..., 0], np.mean(cells, 0), atol=1e-6)
