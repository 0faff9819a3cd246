"""What a training will need is estimated before it starts, and what is advised against too much is what would help."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from helpers import small_config, train
from vaecli.config import config_from_text
from vaecli.config.schema import VARIANTS
from vaecli.data import Split
from vaecli.data.digits import digits
from vaecli.errors import RunFailed
from vaecli.experiment import memory
from vaecli.training.optimizers import optimizer


def of_size(train, test, *shape, labels=1):
    """Black images that take no memory, with so many kinds of labels in the test set."""
    images = (np.broadcast_to(np.uint8(0), (count, *shape)) for count in (train, test))
    splits = [Split(found, np.arange(len(found), dtype=np.int32) % labels) for found in images]
    return replace(digits(), train=splits[0], test=splits[1])


def test_a_model_that_cannot_fit_is_refused_before_anything_is_written(tmp_path):
    config = small_config("vae")
    config = config.model_copy(update={"network": config.network.model_copy(update={"hidden": (65_536, 65_536)})})
    with pytest.raises(
        RunFailed, match=r"about \d+\.\d GB are needed and \d+\.\d GB are free; half of network\.hidden"
    ):
        train(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_estimate_grows_with_the_model_and_stays_below_what_is_there():
    small, large = (small_config("vae", extra=extra) for extra in ("", "objective: {beta: 1}"))
    large = large.model_copy(update={"network": large.network.model_copy(update={"hidden": (4096,)})})
    weights = 4 * 2 * 4096 * 64
    assert memory.needed(large, digits()) - memory.needed(small, digits()) > 3 * weights
    assert memory.needed(small, digits()) < 1e9


@pytest.mark.parametrize("model", ["name: vqvae", "name: simvq", "name: residual, stages: 3"])
def test_a_codebook_of_many_rows_needs_a_distance_to_each(model):
    """Each of 360 images of the evaluation has a grid of 4x4 vectors, whose stages follow one another."""
    few, many = (
        config_from_text(f"model: {{{model}, num_codes: {rows}}}\ndata: digits\nnetwork: {{kind: conv, channels: [4]}}")
        for rows in (2, 65_536)
    )
    grown = memory.needed(many, digits()) - memory.needed(few, digits())
    assert 1.0 <= grown / (4 * 360 * 16 * 65_534) < 1.1


@pytest.mark.parametrize("keys", [*VARIANTS["training"][1], "rmsprop, momentum: 0.9, centered: true"])
def test_what_an_optimizer_keeps_of_a_matrix_is_counted(keys):
    training = small_config("vae", extra_training=f", optimizer: {keys}").training
    kernel = keras.Variable(np.zeros((3, 4), np.float32), name="kernel")
    slots = keras.tree.flatten(optimizer(training, [kernel], 0.001).slots([kernel.value]))
    assert memory.slots(training) == [slot.shape for slot in slots].count((3, 4))
    assert memory.available() > 0


def test_codes_times_labels_are_counted_before_the_start(monkeypatch):
    """The number of labels counts, not the largest label."""

    def labelled(values):
        labels = np.resize(np.array(values, np.int32), 360)
        return replace(digits(), test=replace(digits().test, labels=labels))

    config = small_config("{name: straight_through, num_classes: 20000}")
    years, many = labelled([1990, 2020]), labelled(range(300))
    assert memory.needed(config, labelled([0, 1])) == memory.needed(config, years)
    assert memory.needed(config, many) - memory.needed(config, years) >= 20_000 * 298 * 8
    monkeypatch.setattr(memory, "available", lambda: memory.needed(config, many) - 1)
    memory.check(config, years)
    with pytest.raises(RunFailed) as refused:
        memory.check(config, many)
    assert refused.value.lines == (
        "out of memory before the start: about 1.0 GB are needed and 1.0 GB are free; half of model.num_classes would "
        "free about 0.1 GB",
    )


NPZ, FOLDER = "data: {name: npz, path: x.npz}", "data: {name: folder, path: x}"
GRID = "network: {kind: conv, channels: [4]}"
LARGEST = {  # what most of the memory goes to: the config, the data, the first words of the advice
    "weights": ("model: vae\nnetwork: {hidden: [16384, 16384]}", of_size(64, 64, 8, 8, 1), "half of network.hidden "),
    "filters": (
        "model: vae\nnetwork: {kind: conv, channels: [4096, 4096]}",
        of_size(64, 64, 8, 8, 1),
        "half of network.channels ",
    ),
    "a batch": (
        "model: vae\nnetwork: {hidden: [16]}\ntraining: {batch_size: 60000}",
        of_size(60_000, 1000, 64, 64, 1),
        "half of training.batch_size ",
    ),
    "images that are evaluated at once, more than a batch": (
        f"model: {{name: vqvae, num_codes: 65536}}\n{GRID}",
        of_size(2_000, 1_000, 28, 28, 1),
        "half of model.num_codes ",
    ),
    "codes": (
        "model: {name: gumbel, num_classes: 65536}\nnetwork: {hidden: [1024]}",
        of_size(64, 64, 8, 8, 1),
        "half of model.num_classes ",
    ),
    "levels": (
        "model: {name: fsq, levels: [256, 256]}",
        of_size(64, 64, 28, 28, 1, labels=10_000),
        "half of model.levels ",
    ),
    "a latent": (
        "model: {name: vae, latent_dim: 65536}\nnetwork: {hidden: [1024]}",
        of_size(64, 64, 8, 8, 1),
        "half of model.latent_dim ",
    ),
    "images of a file": (
        f"model: vae\n{NPZ}",
        of_size(2_000_000, 1000, 28, 28, 1),
        "half as many images at data.path ",
    ),
    "pictures": (f"model: vae\n{FOLDER}", of_size(100_000, 1000, 64, 64, 3), "half of data.size "),
    "labels": (
        f"model: {{name: vqvae, num_codes: 4096}}\nnetwork: {{hidden: [16]}}\n{NPZ}",
        of_size(64, 20_000, 2, 2, 1, labels=10_000),
        "data.labels: none ",
    ),
    "nothing of the user's": (
        "model: gumbel",
        digits(),
        "TensorFlow itself takes about 0.8 GB, and no key would free much of the rest",
    ),
}


@pytest.mark.parametrize("case", LARGEST)
def test_what_is_advised_is_the_key_that_most_of_the_memory_goes_to(case):
    text, dataset, words = LARGEST[case]
    assert memory.way_out(config_from_text(text), dataset).startswith(words)


def test_the_advice_frees_as_much_as_it_says():
    """In the words of a refusal."""
    text, dataset = "model: vae\nnetwork: {{hidden: [{}]}}", of_size(64, 64, 28, 28, 1)
    whole, half = (config_from_text(text.format(width)) for width in (65_536, 32_768))
    freed = memory.needed(whole, dataset) - memory.needed(half, dataset)
    assert memory.way_out(whole, dataset) == f"half of network.hidden would free about {freed / 1e9:.1f} GB"
