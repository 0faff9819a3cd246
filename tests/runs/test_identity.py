from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import small_config
from vaecli.config import config_from_text, config_of_run, dump, read_config
from vaecli.data import Split, load
from vaecli.data.digits import digits
from vaecli.runs import run_name
from vaecli.runs.identity import settings, state_hash, without_defaults


def test_the_name_says_method_data_and_seed():
    assert run_name(small_config("gumbel", seed=7), digits()).startswith("gumbel-digits-")
    assert run_name(small_config("gumbel", seed=7), digits()).endswith("-s7")


def test_the_seed_is_not_in_the_hash():
    zero, one = (run_name(small_config("vae", seed=seed), digits()) for seed in (0, 1))
    assert zero.removesuffix("0") == one.removesuffix("1")


@pytest.mark.parametrize(
    "change",
    [
        "model: {name: gumbel, temperature: 0.5}",
        "model: {name: gumbel, temperature: {schedule: linear, start: 1.0, end: 0.5}}",
        "model: {name: gumbel, unimix: 0.01}",
        "model: {name: gumbel, num_classes: 11}",
        "model: straight_through",
        "network: {hidden: [128, 64]}",
        "objective: {beta: 0.5}",
        "objective: {likelihood: bernoulli}",
        "objective: {beta: 1.0, prior: learned}",
        "objective: {beta: {schedule: linear, start: 0, end: 1}}",
        "training: {epochs: 11}",
        "training: {steps: 220}",
        "training: {evaluate_at: [5]}",
        "training: {learning_rate: {schedule: cosine, start: 0.001, end: 0}}",
        "training: {batch_size: 32}",
        "training: {learning_rate: 0.01}",
        "training: {epsilon: 1.0e-8}",
        "training: {clip_norm: 1.0}",
        "training: {optimizer: sgd}",
        "training: {optimizer: adamw}",
        "training: {last_batch: keep}",
        "data: {name: digits, scaling: centred}",
        "network: {head_activation: relu}",
        "model: {name: gumbel, embedding: integer}",
        "model: {name: straight_through, backward_temperature: 1.3}",
        "evaluation: {codes: mode}",
        "evaluation: {codes: relaxed}",
    ],
)
def test_every_setting_that_changes_results_changes_the_name(change):
    base = "model: gumbel\n"
    text = change if change.startswith("model") else base + change
    assert run_name(config_from_text(text), digits()) != run_name(config_from_text(base), digits())


def test_a_gradient_at_temperature_one_is_that_of_before_it_had_a_temperature():
    plain, one, other = (
        config_from_text(f"model: {{name: straight_through{option}}}")
        for option in ("", ", backward_temperature: 1.0", ", backward_temperature: 1.3")
    )
    assert without_defaults(plain, settings(plain))["model"] == {"name": "straight_through"}
    assert run_name(one, digits()) == run_name(plain, digits()) != run_name(other, digits())


@pytest.mark.parametrize("seconds", [0, 0.5, 3600])
def test_how_often_a_state_is_saved_is_not_in_the_name(seconds):
    config = config_from_text(f"model: vae\ntraining: {{checkpoint_seconds: {seconds}}}")
    assert run_name(config, digits()) == run_name(config_from_text("model: vae"), digits())
    assert state_hash(config, digits()) == state_hash(config_from_text("model: vae"), digits())


@pytest.mark.parametrize(("change", "same"), [("epochs: 99", True), ("seed: 1", False), ("batch_size: 8", False)])
def test_a_state_depends_on_all_but_the_epochs_to_come(change, same):
    config, base = (config_from_text(f"model: vae\ntraining: {{{key}}}") for key in (change, "epochs: 10"))
    assert (state_hash(config, digits()) == state_hash(base, digits())) == same


def test_a_changed_pixel_changes_the_name():
    data = digits()
    images = data.train.images.copy()
    images[0, 0, 0] += 1
    other = replace(data, train=Split(images, data.train.labels))
    config = small_config("gumbel")
    assert run_name(config, other) != run_name(config, data)


def test_a_learned_prior_is_in_the_name_and_a_uniform_one_is_not():
    names = [
        run_name(config_from_text(f"model: gumbel\nobjective: {{beta: 1.0{prior}}}"), digits())
        for prior in ("", ", prior: uniform", ", prior: learned")
    ]
    assert names[0] == names[1] != names[2]


VECTOR = ("codebook: ema", "codebook: ema, decay: 0.8", "init: kmeans", "restart: 1.0", "gradient: rotation")
VECTOR += ("distance: cosine", "unquantized_steps: 5")


def test_every_key_of_a_codebook_changes_the_name_and_at_its_default_none_does():
    plain = run_name(config_from_text("model: vqvae"), digits())
    names = [run_name(config_from_text(f"model: {{name: vqvae, {keys}}}"), digits()) for keys in VECTOR]
    assert len({plain, *names}) == len(VECTOR) + 1
    same = "codebook: gradient, decay: 0.99, init: normal, restart: 0, gradient: straight_through, distance: euclidean"
    assert run_name(config_from_text(f"model: {{name: vqvae, {same}, unquantized_steps: 0}}"), digits()) == plain


def test_a_key_at_its_default_is_as_if_left_out():
    assert run_name(config_from_text("model: vae\ntraining: {epochs: 10}"), digits()) == run_name(
        config_from_text("model: vae"), digits()
    )


def test_names_do_not_change_between_versions():
    """Runs of last year are found again, unless NUMERICS is raised on purpose."""
    data = replace(digits(), train=Split(np.zeros((100, 4, 4), np.uint8)), test=Split(np.zeros((10, 4, 4), np.uint8)))
    assert run_name(config_from_text("model: gumbel"), data) == "gumbel-digits-e548a5dc-s0"


def test_a_schedule_of_before_there_were_more_keys_keeps_its_name_and_each_key_makes_another():
    text = "model: {{name: gumbel, temperature: {{schedule: linear, start: 1.0, end: 0.5{}}}}}"
    keys = ("", ", horizon: 10", ", warm_up: 1", ", warm_up: 1, warm_up_from: 2", ", every: epoch", ", restart: epoch")
    names = [run_name(config_from_text(text.format(more)), digits()) for more in keys]
    assert names[0] == "gumbel-digits-099b24e0-s0"
    assert len(set(names)) == len(keys)
    same = ", floor: 0, warm_up: 0, horizon: null, every: step, factor: null, restart: never"
    assert run_name(config_from_text(text.format(same)), digits()) == names[0]


def test_a_state_of_steps_belongs_to_its_length():
    """Its last row is one that a longer run has not."""
    hashes = {state_hash(config_from_text(f"model: vae\ntraining: {{steps: {n}}}"), digits()) for n in (10, 20)}
    assert len(hashes) == 2


def test_a_title_of_the_data_is_no_part_of_the_name():
    mine = replace(digits(), name="npz", title="one")
    configs = [config_from_text(f"model: vae\ndata: {{name: npz, path: x, title: {title}}}") for title in ("a", "null")]
    names = {run_name(config, replace(mine, title=title)) for config in configs for title in ("one", "two")}
    assert len(names) == 1
    assert names.pop().startswith("vae-npz-")
    assert len({state_hash(config, mine) for config in configs}) == 1


# Since NUMERICS 4: the codes in the names of the presets on MNIST and on digits, and the digest of MNIST.
NAMES = {
    "vae": ("bc78ae65", "f76c8e28"),
    "categorical": ("4fe992c3", "5bdeeb94"),
    "gumbel": ("61cef9a2", "6a4ffc52"),
    "straight_through": ("b8d60bd6", "84df493a"),
    "vqvae": ("18e7ae52", "a0038ade"),
    "exact": ("b49a497c", "efb641fb"),
    "gumbel_st": ("43c38b20", "378dd5b9"),
    "gumbel_rao": ("36e64372", "ab22ca79"),
    "gst": ("632a019a", "6b1d6d5c"),
    "decoupled_st": ("7c772b3d", "ce6db463"),
    "darn": ("2e36cf03", "84e6435a"),
    "zgr": ("c00536aa", "55565cf4"),
    "reinforce": ("84f8fc8f", "b20572e7"),
    "rloo": ("d941fc68", "296b8162"),
    "arsm": ("e1e8b95b", "aa82b7f6"),
    "rebar": ("c1089d3b", "d128cc24"),
    "relax": ("2c847038", "a515afea"),
}
MNIST = "2712fa4263f7a5a934e9080fa3f61a7cb4b2159b13c5e3230dd3e7b27d2c5def"


@pytest.mark.parametrize("method", NAMES)
def test_presets_keep_their_names(method):
    config = read_config(method)
    mnist = SimpleNamespace(name="mnist", digest=MNIST)
    names = (run_name(config, mnist), run_name(config, digits()))
    assert names == (f"{method}-{NAMES[method][0]}-s0", f"{method}-digits-{NAMES[method][1]}-s0")


def test_a_run_of_an_old_default_keeps_its_name_and_the_new_default_has_another():
    old, new = config_from_text("model: {name: reinmax, temperature: 1.0}"), config_from_text("model: reinmax")
    data = SimpleNamespace(name="mnist", digest=MNIST)
    assert run_name(old, data) == "reinmax-6a61fcfa-s0"
    assert new.model.temperature == 1.3
    assert run_name(new, data) != run_name(old, data)


@pytest.mark.mnist
def test_the_digest_of_mnist_is_what_it_was(mnist_dir):
    assert load(config_from_text("model: vae").data, mnist_dir).digest == MNIST


BERNOULLI = "model: gumbel\nobjective: {likelihood: bernoulli}\ntraining: {epochs: 3"


def test_a_start_is_resolved_before_a_run_has_a_name():
    names = {
        start: run_name(config_from_text(f"{BERNOULLI}, output_bias: {start}}}"), digits())
        for start in ("auto", "data_mean", "zero")
    }
    assert names["auto"] == names["data_mean"] != names["zero"]
    assert run_name(config_from_text("model: gumbel\ntraining: {output_bias: zero}"), digits()) == run_name(
        config_from_text("model: gumbel"), digits()
    )


def test_a_step_size_is_resolved_before_a_run_has_a_name():
    """With one hidden layer the names are those of before there was `auto`."""

    def name(hidden, rate):
        text = f"model: gumbel\nnetwork: {{hidden: {hidden}}}\ntraining: {{learning_rate: {rate}}}"
        return run_name(config_from_text(text), digits())

    assert name([128], "auto") == name([128], 0.001) == run_name(config_from_text("model: gumbel"), digits())
    assert name([64, 32], "auto") == name([64, 32], 0.0003) != name([64, 32], 0.001)


def test_a_run_made_before_there_were_starts_is_read_with_the_one_it_had(tmp_path):
    """By run.json, and by its config.yaml, which names the same folder again; a file of one's own is not such a run."""
    old = {**config_from_text(BERNOULLI + "}").to_dict()}
    del old["training"]["output_bias"]
    assert config_of_run(old, "run.json").training.output_bias == "zero"
    (tmp_path / "config.yaml").write_text(dump(old))
    assert read_config(str(tmp_path / "config.yaml")).training.output_bias == "auto"
    (tmp_path / "run.json").write_text("{}")
    assert read_config(str(tmp_path / "config.yaml")).training.output_bias == "zero"
