import functools
import re
from collections import OrderedDict

import numpy as np
import pytest
import tensorflow as tf

from helpers import KINDS, METHOD_NAMES, compiled, small_config
from vaecli.backend import programs
from vaecli.backend.random import fold_in
from vaecli.config import config_from_text
from vaecli.config.schema import VARIANTS
from vaecli.data.digits import digits
from vaecli.estimators.estimator import Estimate, Estimator, Promises
from vaecli.estimators.sampling import sample, with_gradient
from vaecli.models.autoencoder import build
from vaecli.registry import METHODS
from vaecli.runs.files import read_npz, write_npz
from vaecli.training import trainer as module
from vaecli.training.state import from_arrays, to_arrays
from vaecli.training.trainer import STEP_METRICS, Trainer, _seed, batch_order, spread, sum_of_squares

DATA = digits()
OPTIMIZERS = tuple(VARIANTS["training"][1])


def new_trainer(method="gumbel", **options):
    config = small_config(method, compiler="xla", **options)
    return Trainer(build(config, DATA.image_shape), DATA, config)


def bits(state):
    return [w.numpy().tobytes() for w in state.weights]


def trained(trainer, state=None):
    """The last chunk, and every epoch's metrics."""
    metrics = []
    for chunk in trainer.chunks(state or trainer.initial_state()):
        metrics += [chunk.metrics] if chunk.metrics else []
    return chunk, metrics


@functools.cache
def whole(method, **options):
    """A training that was never cut or resumed."""
    chunk, metrics = trained(new_trainer(method, **options))
    return bits(chunk.state), metrics


def test_images_may_be_taken_in_the_order_of_the_file():
    """Then the first step of every epoch has the first images, whatever the seed."""
    one, two = (new_trainer("vae", seed=seed, extra_training=", shuffle: false") for seed in (0, 1))
    assert np.array_equal(one._order(3), np.arange(len(DATA.train)))
    assert np.array_equal(two._order(0), one._order(3))
    assert not np.array_equal(new_trainer("vae")._order(0), one._order(0))


@pytest.mark.parametrize("size", [1, 31, 32, 4095, 4096, 4097, 100_352, 131_072, 524_288])
def test_sum_of_squares(size):
    x = np.random.default_rng(size).normal(size=size).astype(np.float32)
    assert compiled(sum_of_squares)(tf.constant(x)).numpy() == pytest.approx(
        (x.astype(np.float64) ** 2).sum(), rel=1e-5
    )


def test_a_step_copies_no_matrix_of_weights():
    """Where XLA does not know that an update comes after the last use of what it overwrites, it copies that."""
    trainer = new_trainer("gumbel")
    state, (order, _) = trainer.initial_state(), trainer._batches(0)
    place = [tf.constant(number) for number in (0, 0, 3)]
    program = trainer._compiled.experimental_get_compiler_ir(
        (state.weights, state.slots, state.estimator, state.log), trainer.images, order, _seed(0, 1), *place
    )(stage="optimized_hlo")
    copied = re.findall(r"= f32\[(\d+),(\d+)\]\S* copy\(%get-tuple-element", program)
    matrices = [tuple(map(str, weight.shape)) for weight in state.weights if weight.shape.rank == 2]
    assert len(matrices) == 4
    assert not set(copied) & set(matrices)


def test_every_epoch_and_every_seed_has_another_order_of_the_same_images():
    orders = [batch_order(seed, epoch, 1000) for seed in (0, 1) for epoch in range(5)]
    assert len({order.tobytes() for order in orders}) == len(orders)
    assert all(np.array_equal(np.sort(order), np.arange(1000)) for order in orders)
    assert np.array_equal(orders[0], batch_order(0, 0, 1000))


def test_the_last_partial_batch_is_dropped():
    trainer = new_trainer()
    chunk, _ = trained(new_trainer(epochs=1))
    assert trainer.steps_per_epoch == len(DATA.train) // 64 == 22
    assert chunk.state.log.shape == (22, len(STEP_METRICS))


def test_a_smaller_last_batch_that_is_kept_is_a_step_of_its_images():
    """1,437 images are 22 batches of 64 and one of 29; each image is in one of them, and means are over images."""
    trainer = new_trainer("vae", epochs=1, extra_training=", last_batch: keep")
    batches, rest = (x.numpy() for x in trainer._batches(0))
    assert (trainer.steps_per_epoch, batches.shape, rest.shape) == (23, (22, 64), (23, 29))
    assert np.array_equal(np.sort([*batches.ravel(), *rest[22]]), np.arange(1437))
    chunks = list(trainer.chunks(trainer.initial_state()))
    assert [chunk.images for chunk in chunks][-1] == 29
    means = np.array([[chunk.loss, chunk.images] for chunk in chunks])
    assert chunks[-1].metrics["loss"] == pytest.approx(np.average(means[:, 0], weights=means[:, 1]), rel=1e-5)


def test_a_last_batch_that_is_kept_changes_no_step_before_it():
    dropped = new_trainer("gumbel", epochs=1)
    first = trained(dropped)[0].state
    kept = new_trainer("gumbel", epochs=1, extra_training=", last_batch: keep")
    state = next(c.state for c in kept.chunks(kept.initial_state()) if c.state.step == 22)
    assert bits(first) == bits(state)


@pytest.mark.parametrize(("first", "seconds"), [(1, 0.0), (3, 0.0), (7, 60.0), (10_000, 60.0)])
@pytest.mark.parametrize("method", ["gumbel", "vae"])
def test_the_weights_do_not_depend_on_how_steps_are_cut_into_calls(monkeypatch, method, first, seconds):
    expected = whole(method)
    monkeypatch.setattr(module, "FIRST_CALL_STEPS", first)
    monkeypatch.setattr(module, "SECONDS_PER_CALL", seconds)
    cut, cut_metrics = trained(new_trainer(method))
    assert (bits(cut.state), cut_metrics) == expected


def test_an_epoch_reports_the_mean_of_its_steps(monkeypatch):
    monkeypatch.setattr(module, "FIRST_CALL_STEPS", 1)
    monkeypatch.setattr(module, "SECONDS_PER_CALL", 0.0)
    trainer = new_trainer("straight_through")
    chunks = list(trainer.chunks(trainer.initial_state()))
    assert [chunk.images for chunk in chunks] == 44 * [64]
    assert [chunk.state.step for chunk in chunks] == 2 * [*range(1, 22), 0]
    assert [n for n, chunk in enumerate(chunks) if chunk.metrics] == [21, 43]
    for last in (21, 43):
        epoch = chunks[last - 21 : last + 1]
        # each step's loss is a float32
        assert chunks[last].metrics["loss"] == pytest.approx(np.mean([chunk.loss for chunk in epoch]), rel=1e-6)
        assert chunks[last].row_seconds == pytest.approx(sum(chunk.seconds for chunk in epoch))


def test_a_spread_is_in_units_of_the_mean():
    assert spread(np.array([1.0, 3.0])) == 0.5
    assert spread(np.array([10.0, 30.0])) == 0.5
    assert spread(np.zeros(3)) == 0


@pytest.mark.parametrize(
    ("method", "training"),
    [*((method, "") for method in KINDS), *(("vqvae", f", optimizer: {name}, clip_norm: 0.1") for name in OPTIMIZERS)],
)
def test_a_state_saved_in_the_middle_of_an_epoch_goes_on_with_the_same_bits(method, training, tmp_path, monkeypatch):
    expected = whole(method, extra_training=training)
    monkeypatch.setattr(module, "FIRST_CALL_STEPS", 9)
    first = new_trainer(method, extra_training=training)
    state = next(first.chunks(first.initial_state())).state
    assert (state.epoch, state.step) == (0, 9)
    write_npz(tmp_path / "state.npz", to_arrays(state, first.names, first.learnt))
    second = new_trainer(method, extra_training=training)
    restored = from_arrays(read_npz(tmp_path / "state.npz"), second.initial_state(), second.names, second.learnt)
    resumed, resumed_metrics = trained(second, restored)
    assert (bits(resumed.state), resumed_metrics) == expected


@pytest.mark.parametrize(("name", "lists"), [("adam", 2), ("sgd", 1)])
def test_the_slots_of_adam_and_sgd_have_the_names_of_older_checkpoints(name, lists):
    trainer = new_trainer(extra_training=f", optimizer: {name}")
    arrays = to_arrays(trainer.initial_state(), trainer.names, trainer.learnt)
    expected = {f"slots/{i}/{weight}" for i in range(lists) for weight in trainer.names}
    assert {array for array in arrays if array.startswith("slots/")} == expected


def test_a_state_of_another_model_is_refused():
    trainer = new_trainer()
    arrays = to_arrays(trainer.initial_state(), trainer.names, trainer.learnt)
    other = new_trainer("vqvae")
    with pytest.raises(KeyError):
        from_arrays(arrays, other.initial_state(), other.names, other.learnt)
    first = f"weights/{trainer.names[0]}"
    with pytest.raises(ValueError, match=rf"{first}: float32 \(64, 15\) is not float32 \(64, 16\)"):
        from_arrays(arrays | {first: arrays[first][:, :15]}, trainer.initial_state(), trainer.names, trainer.learnt)
    with pytest.raises(ValueError, match=r"log: float64 .* is not float32"):
        from_arrays(
            arrays | {"log": arrays["log"].astype(np.float64)}, trainer.initial_state(), trainer.names, trainer.learnt
        )


@pytest.mark.parametrize(("method", "epoch"), [*((method, 0) for method in KINDS), ("straight_through", 1)])
def test_the_compiled_loop_takes_the_steps_that_are_written_out_here(method, epoch, monkeypatch):
    """Three steps of Adam by hand, and the norms of the last gradient."""
    import keras

    trainer = new_trainer(method)
    model, variables = trainer.autoencoder, trainer.variables
    start = [v.numpy() for v in variables]
    order = batch_order(0, epoch, len(DATA.train))[: 3 * 64].reshape(3, 64)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(variables)
    optimizer.iterations.assign(22 * epoch)

    @compiled
    def step(images, number, state):
        with tf.GradientTape() as tape:
            seed = fold_in(fold_in(tf.constant([0, 1]), tf.constant(epoch)), number)
            found = model.losses(images, beta=0.0, state=state, seed=seed)
        gradients = tape.gradient(found.loss, [v.value for v in variables], unconnected_gradients="zero")
        return found.loss, [tf.convert_to_tensor(g) for g in gradients], found.state

    losses, memory = [], trainer.initial_state().estimator
    for number, rows in enumerate(order):
        images = tf.constant(DATA.floats(DATA.train.images[rows]).reshape(64, -1))
        loss, gradients, memory = step(images, tf.constant(number), memory)
        losses.append(loss.numpy())
        optimizer.apply(gradients, variables)
    expected = [v.numpy() for v in variables]
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)

    monkeypatch.setattr(module, "FIRST_CALL_STEPS", 3)
    state = next(trainer.chunks(trainer.initial_state()._replace(epoch=epoch))).state
    log = dict(zip(STEP_METRICS, state.log.numpy().T, strict=True))
    # another program, another order of sums; Adam's first steps divide by gradients near zero
    np.testing.assert_allclose(log["loss"][:3], losses, rtol=1e-5)
    for weight, other in zip(state.weights, expected, strict=True):
        np.testing.assert_allclose(weight, other, atol=2e-5)
    for part in ("encoder", "bottleneck", "decoder"):
        squares = [
            np.square(g).sum() for name, g in zip(trainer.names, gradients, strict=True) if name.startswith(part)
        ]
        assert log[f"gradient_norm_{part}"][2] == pytest.approx(np.sqrt(sum(squares)), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("method", KINDS)
def test_another_seed_in_the_same_program_has_the_bits_of_one_that_compiled_its_own(method, monkeypatch):
    first, second = new_trainer(method), new_trainer(method, seed=1)
    assert first._compiled is second._compiled
    expected = trained(second)
    assert bits(expected[0].state) != whole(method)[0]
    monkeypatch.setattr(programs, "_programs", OrderedDict())
    alone = new_trainer(method, seed=1)
    assert alone._compiled is not second._compiled
    chunk, metrics = trained(alone)
    assert (bits(chunk.state), metrics) == (bits(expected[0].state), expected[1])


@pytest.mark.parametrize(
    "other",
    [
        {"method": "gumbel_st"},
        {"extra": "objective: {beta: 0.1}"},
        {"extra": "objective: {likelihood: bernoulli}"},
        {"extra_training": ", learning_rate: 0.1"},
        {"extra_training": ", optimizer: sgd"},
        {"extra_training": ", optimizer: adamw"},
        {"extra_training": ", clip_norm: 1.0"},
        {"extra_training": ", batch_size: 32"},
        {"epochs": 3},
    ],
)
def test_whatever_else_differs_has_a_program_of_its_own(other):
    assert new_trainer(**other)._compiled is not new_trainer()._compiled


def test_another_seed_shares_the_program_of_an_optimizer_of_keras():
    first, second = (new_trainer(extra_training=", optimizer: nadam", seed=seed) for seed in (0, 1))
    assert first._compiled is second._compiled
    chunk, (first_epoch, second_epoch) = trained(second)
    assert set(chunk.state.slots) == set(second.initial_state().slots) == set(first.initial_state().slots)
    assert second_epoch["loss"] < first_epoch["loss"]


@pytest.mark.parametrize("limit", [1e-3, 1e3])
def test_a_gradient_longer_than_clip_norm_is_scaled_to_it(limit, monkeypatch):
    """Takes one step of gradient descent, whose length is the gradient's."""
    monkeypatch.setattr(module, "FIRST_CALL_STEPS", 1)
    trainer = new_trainer(extra_training=f", optimizer: sgd, learning_rate: 1.0, clip_norm: {limit}")
    start = trainer.initial_state()
    state = next(trainer.chunks(start)).state
    moved = [after.numpy() - before.numpy() for before, after in zip(start.weights, state.weights, strict=True)]
    length = np.sqrt(sum(np.square(m.astype(np.float64)).sum() for m in moved))
    logged = dict(zip(STEP_METRICS, state.log[0].numpy(), strict=True))
    gradient = np.sqrt(sum(logged[f"gradient_norm_{part}"] ** 2 for part in ("encoder", "bottleneck", "decoder")))
    assert 1e-3 < gradient < 1e3
    assert length == pytest.approx(min(gradient, limit), rel=1e-3)  # a step is a small change of float32 weights


@pytest.mark.parametrize(("beta", "reached"), [(0.0, False), (0.1, True)])
def test_the_naive_encoder_gets_a_gradient_from_the_rate_alone(beta, reached):
    config = small_config("categorical", epochs=1, extra=f"objective: {{beta: {beta}}}")
    _, (metrics,) = trained(Trainer(build(config, DATA.image_shape), DATA, config))
    assert (metrics["gradient_norm_encoder"] > 0) == reached
    assert not METHODS["categorical"].learns
    assert metrics["gradient_norm_decoder"] > 0


def with_memory(objective, logits, *, state, seed):
    """A toy that carries a nest: a moving average of the loss, and the number of steps."""
    one_hot = sample(logits, seed=fold_in(seed, 0))
    loss = objective(with_gradient(one_hot, of=tf.nn.softmax(logits)))
    average = 0.9 * state["average"] + 0.1 * tf.reduce_mean(tf.stop_gradient(loss))
    return Estimate(loss * (1 + average), one_hot, {"average": average, "steps": state["steps"] + 1})


def test_an_estimator_with_memory_is_carried_and_resumed(monkeypatch):
    memory = Estimator(
        with_memory,
        (),
        Promises(exact_for="every"),
        initial_state=lambda L, K, seed: {"average": tf.zeros(()), "steps": tf.zeros(())},
    )
    monkeypatch.setattr("vaecli.estimators.zgr.zgr", memory)
    uncut, _ = trained(new_trainer("zgr"))
    assert uncut.state.estimator["steps"] == 44
    assert uncut.state.estimator["average"] > 0
    monkeypatch.setattr(module, "FIRST_CALL_STEPS", 5)
    trainer = new_trainer("zgr")
    state = next(trainer.chunks(trainer.initial_state())).state
    arrays = to_arrays(state, trainer.names, trainer.learnt)
    resumed, _ = trained(trainer, from_arrays(arrays, trainer.initial_state(), trainer.names, trainer.learnt))
    assert bits(resumed.state) == bits(uncut.state)
    assert resumed.state.estimator["average"].numpy() == uncut.state.estimator["average"].numpy()


SEVERAL = {  # latents; of a method that is not here two of four classes
    "simvq": "num_latents: 2",
    "diveq": "num_latents: 2",
    "hard_em": "num_latents: 2, num_codes: 4",
    "residual": "stages: 3",
    "fsq": "levels: [4, 3, 2]",
    "lfq": "bits: 4, entropy_weight: 0.01",
}


@pytest.mark.parametrize("method", [name for name in METHOD_NAMES if name not in KINDS])
def test_every_method_trains_several_latents(method):
    """Covers all; the tests above say more about one of each kind."""
    config = config_from_text(
        f"model: {{name: {method}, {SEVERAL.get(method, 'num_latents: 2, num_classes: 4')}}}\n"
        "network: {hidden: [16]}\ndata: digits\ntraining: {epochs: 2}"
    )
    _, (first, second) = trained(Trainer(build(config, DATA.image_shape), DATA, config))
    assert second["distortion"] < first["distortion"]
    assert second["gradient_norm_encoder"] > 0
    assert METHODS[method].learns


SCHEDULE = "{schedule: exponential, start: 2.0, end: 0.2}"


def scheduled_trainer(temperature=1.0, beta=0.0, learning_rate=0.001, length="epochs: 2"):
    config = config_from_text(
        f"model: {{name: gumbel, temperature: {temperature}}}\n"
        f"objective: {{beta: {beta}}}\n"
        f"network: {{hidden: [16]}}\ndata: digits\ntraining: {{{length}, learning_rate: {learning_rate}}}"
    )
    return Trainer(build(config, DATA.image_shape), DATA, config)


# (temperature, beta, learning rate): every shape, and every key, at each place
CHANGING = {
    "stretched": (
        SCHEDULE,
        "{schedule: linear, start: 0, end: 1}",
        "{schedule: cosine, start: 0.01, end: 0, every: 5}",
    ),
    "with a horizon": (
        "{schedule: cosine, start: 2.0, end: 0.2, warm_up: 0.3, warm_up_from: 3, horizon: 1.2}",
        "{schedule: linear, start: 1, end: 0.1, warm_up: 1, horizon: 500, floor: 0.5}",
        "{schedule: exponential, start: 0.01, end: 0.001, warm_up: 0.5, horizon: 1.5, every: 3}",
    ),
    "by updates": (
        "{schedule: steps, start: 2.0, factor: 0.7, every: 5, floor: 0.3, restart: epoch}",
        "{schedule: constant, start: 0.5, warm_up: 1.5}",
        "{schedule: steps, start: 0.01, factor: 0.5, every: epoch}",
    ),
}


@pytest.mark.parametrize("changing", CHANGING)
def test_a_schedule_does_not_depend_on_how_steps_are_cut_and_resumed(monkeypatch, changing):
    length = "steps: 40, evaluate_at: [3, 9, 22, 30]"
    whole_chunk, whole_metrics = trained(scheduled_trainer(*CHANGING[changing], length))
    monkeypatch.setattr(module, "FIRST_CALL_STEPS", 9)
    monkeypatch.setattr(module, "SECONDS_PER_CALL", 0.0)
    first = scheduled_trainer(*CHANGING[changing], length)
    chunks, metrics = first.chunks(first.initial_state()), []
    for _ in range(4):
        chunk = next(chunks)
        metrics += [chunk.metrics] if chunk.metrics else []
    arrays = to_arrays(chunk.state, first.names, first.learnt)
    state = from_arrays(arrays, first.initial_state(), first.names, first.learnt)
    resumed, later = trained(scheduled_trainer(*CHANGING[changing], length), state)
    assert (bits(resumed.state), metrics + later) == (bits(whole_chunk.state), whole_metrics)


def test_a_learning_rate_of_0_changes_no_weight():
    trainer = scheduled_trainer(learning_rate="{schedule: linear, start: 0.01, end: 0, horizon: 1}")
    states = [chunk.state for chunk in trainer.chunks(trainer.initial_state()) if chunk.metrics]
    assert bits(states[0]) == bits(states[1]) != bits(trainer.initial_state())


def test_a_weight_of_the_rate_that_is_gone_leaves_the_distortion():
    trainer = scheduled_trainer(beta="{schedule: linear, start: 1, end: 0, horizon: 1}")
    _, (first, second) = trained(trainer)
    assert first["loss"] > first["distortion"] + 1e-6
    assert second["loss"] == second["distortion"]


def test_a_run_of_steps_has_the_weights_of_one_of_epochs_on_its_way():
    """Rows after the steps that were named, at the end of each epoch, and after the last step."""
    trainer = scheduled_trainer(length="steps: 30, evaluate_at: [5, 25]")
    chunks = [chunk for chunk in trainer.chunks(trainer.initial_state()) if chunk.metrics]
    assert [trainer.done(chunk.state) for chunk in chunks] == [5, 22, 25, 30]
    assert (chunks[-1].state.epoch, chunks[-1].state.step) == (1, 8)
    chunk, (metrics,) = trained(scheduled_trainer(length="epochs: 1"))
    assert bits(chunk.state) == bits(chunks[1].state)
    assert chunks[1].metrics == metrics
    losses = chunks[-1].state.log.numpy()[:8, 0].astype(np.float64)
    assert chunks[-1].metrics["loss"] == losses.mean()
    assert chunks[2].metrics["loss"] == losses[:3].mean()


def test_a_schedule_begins_at_its_start_and_is_stretched_over_all_epochs(monkeypatch):
    monkeypatch.setattr(module, "FIRST_CALL_STEPS", 1)
    monkeypatch.setattr(module, "SECONDS_PER_CALL", 0.0)
    losses = {}
    for name, trainer in {
        "start": scheduled_trainer(2.0),
        "two": scheduled_trainer(SCHEDULE),
        "four": scheduled_trainer(SCHEDULE, length="epochs: 4"),
    }.items():
        chunks = trainer.chunks(trainer.initial_state())
        losses[name] = [next(chunks).loss for _ in range(10)]
    assert losses["start"][0] == pytest.approx(losses["two"][0], rel=1e-6)  # two programs
    assert losses["two"][0] == pytest.approx(losses["four"][0], rel=1e-6)
    assert losses["start"][9] != pytest.approx(losses["two"][9], rel=1e-6)
    assert losses["two"][9] != pytest.approx(losses["four"][9], rel=1e-6)


def test_another_seed_trains_to_other_weights():
    chunk, metrics = trained(new_trainer("straight_through", seed=1))
    assert not set(bits(chunk.state)) & set(whole("straight_through")[0])
    assert metrics != whole("straight_through")[1]
