"""What a latent is, from the entry of a bottleneck and the network's positions."""

import math

import numpy as np
import pytest

from helpers import METHOD_NAMES, small_config
from vaecli.config import config_from_text
from vaecli.config.latent import MAX_ENUMERATED_CODES, Latent
from vaecli.config.shapes import latent_of, shapes
from vaecli.models.autoencoder import build
from vaecli.registry import METHODS

SIZES = {
    "one code": Latent((1, 1), 1, (10,), 10),
    "several codes": Latent((1, 1), 4, (8,) * 4, 8),
    "unequal alphabets": Latent((1, 1), 3, (8, 6, 5), 1),
    "a grid": Latent((7, 7), 2, (512, 512), 16),
    "a sum": Latent((7, 7), 2, (16, 16), 8, summed=True),
    "a vector": Latent((1, 1), 1, None, 10),
}


@pytest.mark.parametrize("latent", SIZES.values(), ids=SIZES)
def test_a_latent_read_back_is_itself(latent):
    assert Latent.from_dict(latent.to_dict()) == latent


@pytest.mark.parametrize(
    ("name", "words", "codes", "size", "bits", "combinations", "single"),
    [
        ("one code", "1 of 10 codes", 1, 10, math.log2(10), 10, 10),
        ("several codes", "4 of 8 codes", 4, 32, 12, None, None),
        ("unequal alphabets", "3 of 8/6/5 codes", 3, 3, math.log2(240), 240, None),
        ("a grid", "7×7×2 of 512 codes", 98, 98 * 16, 98 * 9, None, None),
        ("a sum", "7×7×2 of 16 codes", 98, 49 * 8, 98 * 4, None, None),
        ("a vector", "Gaussian, 10 dimensions", 1, 10, None, None, None),
    ],
)
def test_what_a_latent_says_of_itself(name, words, codes, size, bits, combinations, single):
    latent = SIZES[name]
    assert (str(latent), latent.num_codes, latent.size) == (words, codes, size)
    assert latent.capacity_bits == (bits if bits is None else pytest.approx(bits, rel=1e-12))
    assert (latent.combinations, latent.single) == (combinations, single)
    assert latent.enumerable == (combinations is not None)


@pytest.mark.parametrize(
    ("sizes", "enumerable"), [((256,), True), ((257,), False), ((2,) * 8, True), ((2,) * 9, False)]
)
def test_codes_are_enumerable_up_to_a_limit(sizes, enumerable):
    assert MAX_ENUMERATED_CODES == 256
    assert Latent((1, 1), len(sizes), sizes, 1).enumerable == enumerable


def test_the_largest_latent_is_described_at_once():
    latent = Latent((1, 1), 65_536, (65_536,) * 65_536, 65_536)
    assert latent.capacity_bits == 16 * 65_536
    assert not latent.enumerable


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_the_model_has_the_latent_that_its_config_describes(method):
    config = small_config(method)
    latent, model = latent_of(config, (8, 8)), build(config, (8, 8))
    assert model.bottleneck.latent_shape == (latent.num_vectors, latent.width)
    assert latent.discrete == (method != "vae")


@pytest.mark.parametrize("hidden", [[], [16], [32, 16]])
@pytest.mark.parametrize("method", ["gumbel", "vqvae", "vae"])
def test_the_sizes_of_the_layers_are_those_of_the_model(method, hidden):
    config = config_from_text(f"model: {method}\nnetwork: {{hidden: {hidden}}}")
    sizes, model = shapes(config, (8, 6)), build(config, (8, 6))
    for part, layers in (("encoder", sizes.encoder), ("decoder", sizes.decoder)):
        weights = {name: w.shape for name, w in model.weights.items() if name.startswith(part)}
        assert sum(layer.weights for layer in layers) == sum(math.prod(shape) for shape in weights.values())
        kernels = [shape for name, shape in weights.items() if "kernel" in name]
        assert sum(layer.products for layer in layers) == sum(math.prod(shape) for shape in kernels)
    assert sizes.pixels == 48
    assert sizes.units == 48 + sum(hidden) + sizes.latent.size + sum(hidden) + 48


def test_every_method_says_what_its_codes_are():
    for name, method in METHODS.items():
        codes = method.bottleneck.codes(small_config(name).model.options())
        assert codes.values is None or len(codes.values) == codes.per_position
        assert np.prod(codes.values or 1) >= 1
