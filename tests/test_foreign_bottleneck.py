"""A bottleneck with unknown options goes through every command: one file and one entry of the registry.

The toy is finite scalar quantisation (arXiv 2309.15505): each number is bounded and rounded to one of its levels.
"""

import json
import subprocess
import sys

import pytest

FILE = '''
"""A toy bottleneck."""

import keras
import numpy as np
import tensorflow as tf

from vaecli.backend.layers import dense
from vaecli.bottlenecks.bottleneck import Latents, Step
from vaecli.estimators.sampling import with_gradient


class Rungs:
    def __init__(self, inputs, positions, *, seed, coarse, fine):
        self.rungs = np.array([coarse, fine], np.float32)
        self.latent_shape = (2 * positions, 1)
        self.inputs = inputs
        self.head = dense(inputs, 2, name="rungs", seed=seed)
        self.count = keras.layers.Layer(name="count")
        self.steps = self.count.add_weight(shape=(), initializer="zeros", trainable=False, name="steps")
        self.layers = [self.head, self.count]

    def initial_state(self, seed):
        return ()

    def bounded(self, features):
        return tf.sigmoid(self.head(tf.reshape(features, (-1, self.inputs)))) * (self.rungs - 1)

    def train(self, features, objective, *, state, seed, progress=None):
        e = self.bounded(features)
        z = with_gradient(tf.round(e), of=e)[..., None] / (self.rungs[:, None] - 1)
        none = tf.zeros_like(e[:, 0])
        updates = {"count/steps": self.steps.value + 1}
        return Step(objective(z), none + self.nats, none, state, updates)

    @property
    def nats(self):
        return float(np.log(self.rungs).sum())

    def encode(self, features, *, seed=None):
        codes = tf.cast(tf.round(self.bounded(features)), tf.int32)
        return Latents(self.lookup(codes), codes, tf.zeros_like(codes[:, 0], tf.float32) + self.nats)

    def log_weight(self, features, *, seed):
        latents = self.encode(features)
        return latents.z, -latents.rate

    def relaxed(self, features, *, seed, progress=None):
        return None

    def lookup(self, codes):
        return (tf.cast(codes, tf.float32) / (self.rungs - 1))[..., None]

    def export_encode(self, features):
        e = keras.ops.sigmoid(self.head(keras.ops.reshape(features, (-1, self.inputs))))
        most = keras.layers.Rescaling([rungs - 1.0 for rungs in self.rungs.tolist()])(e)
        return keras.ops.cast(keras.ops.round(most), "int32")

    def export_lookup(self, codes):
        least = [1 / (rungs - 1) for rungs in self.rungs.tolist()]
        return keras.ops.reshape(keras.layers.Rescaling(least)(keras.ops.cast(codes, "float32")), (-1, 2, 1))
'''
ENTRY = '''
"""What one file and one entry add, for a process that runs the commands."""

from vaecli import registry
from vaecli.config.options import Classes, Option

registry.BUILT_IN["rungs"] = registry.Method(
    "two codes of unequal alphabets",
    registry.Bottleneck(
        "rungs:Rungs", ("coarse", "fine"), codes=lambda o: registry.Codes(2, [o["coarse"], o["fine"]], 1)
    ),
    constant_rate=True,
    described={"coarse": Option(Classes, 3, "rungs of the first code"), "fine": Option(Classes, 5, "of the second")},
)
'''


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with the toy's file and entry, and a run of it."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "package").mkdir()  # not where commands run: what lies there may have the names of modules
    (folder / "package" / "rungs.py").write_text(FILE)
    (folder / "package" / "entry.py").write_text(ENTRY)
    name = command(folder, "train", "--config", "rungs", *SMALL).stdout.strip()
    return folder, folder / name


QUICK = ("--set", "network.hidden=[16]", "--set", "training.compile=graph")
SMALL = ("--set", "data=digits", *QUICK, "--set", "training.epochs=2", "-q")


def entry_of(folder):
    return f"import sys; sys.path.insert(0, {str(folder / 'package')!r}); import entry\n"


def command(folder, *arguments):
    code = f"{entry_of(folder)}from vaecli.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    return done


def test_a_foreign_bottleneck_trains_and_says_what_its_latent_is(workshop):
    _, run = workshop
    for file in ("run.json", "summary.json"):
        latent = json.loads((run / file).read_text())["latent"]
        assert (latent["codes_per_position"], latent["alphabets"], latent["width"]) == (2, [3, 5], 1)
    test = json.loads((run / "summary.json").read_text())["test"]
    first, *_, last = (line.split(",") for line in (run / "metrics.csv").read_text().splitlines()[1:])
    assert float(last[1]) < float(first[1])  # the loss
    assert test["capacity_bits"] == pytest.approx(3.9069, abs=1e-4)
    assert len(test["per_latent"]["perplexity"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["init", "rungs", "--output", "-"], "coarse: 3"),
        (["check", "rungs"], "ok, rungs on mnist"),
        (["list"], "rungs"),
        (["show", "RUN"], "perplexity"),
        (["diff", "RUN", "RUN"], ""),
        (["plot", "RUN"], "reconstructions.png"),
        (["verify", "RUN", "--files"], "as the run wrote them"),
        (["encode", "RUN", "test", "-o", "codes.npz"], "codes.npz"),
        (["export", "RUN", "-o", "model.keras"], "model.keras"),
        (["compare", "RUN", "--no-train"], "2 of 3/5 codes"),
        (["compare", "outputs", "--no-train", "--format", "csv"], "rungs"),
        (["data", "references", "-q"], "references"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_foreign_bottleneck_goes_through_every_command(workshop, arguments, said):
    folder, run = workshop
    done = command(folder, *(run.name if word == "RUN" else word for word in arguments))
    assert said in done.stdout


def test_weights_without_a_gradient_are_trained_kept_and_loaded(workshop):
    """A count of steps that the bottleneck hands out with each: 22 batches of 64, twice."""
    folder, run = workshop
    code = (
        f"{entry_of(folder)}"
        "import numpy as np\nfrom vaecli import load_run\nfrom vaecli.data.digits import digits\n"
        f"run = load_run({str(run)!r})\n"
        "images = digits().test.images[..., 0]\n"
        "found = run.encode(images)\n"
        "print(found.codes.shape, (found.codes < [3, 5]).all())\n"
        "print(np.abs(run.decode(found.codes) - run.reconstruct(images)).max() < 1e-6)\n"
        "print(float(run.autoencoder.weights['bottleneck/count/steps'].numpy()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["(360, 2) True", "True", "44.0"], done.stderr
