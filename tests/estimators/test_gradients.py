"""The facts about each estimator's gradient, by enumerating the codes and weighting them with their probability."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled, exact_gradient, softmax
from vaecli.registry import METHODS

K = 5
LOGITS = np.random.default_rng(0).normal(size=K).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=K).astype(np.float32)
SEED = tf.constant([3, 4])
OPTIONS = {"gumbel": {"temperature": 0.7}}
ESTIMATORS = [name for name, method in METHODS.items() if method.estimator]
HARD = ["categorical", "straight_through"]
CLOSE = {"atol": 1e-5}  # float32 sums of some tens of terms of order one

# z [..., L, K] -> [...]; the cubic is not separable, a separable one would hide errors of direction
OBJECTIVES = {
    "constant": lambda z: 3.0 + 0 * tf.reduce_sum(z, (-2, -1)),
    "linear": lambda z: tf.reduce_sum(WEIGHTS * z, (-2, -1)),
    "quadratic": lambda z: tf.reduce_sum(tf.square(WEIGHTS - z), (-2, -1)),
    "cubic": lambda z: tf.reduce_sum(WEIGHTS * z, (-2, -1)) ** 3,
}


def values(objective):
    """f of each code [K]."""
    return objective(tf.eye(K)[:, None]).numpy().astype(np.float64)


@pytest.fixture
def gradients(monkeypatch):
    """(name, objective) -> what lands on the logits [K, K] when each of the K codes in turn was drawn."""
    monkeypatch.setattr("vaecli.estimators.estimator.sample", lambda logits, seed: tf.eye(K)[:, None])

    def of(name, objective):
        estimator = METHODS[name].estimator.load()

        @compiled
        def backward(logits):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                estimate = estimator(objective, logits, state=(), seed=SEED, **OPTIONS.get(name, {}))
            return tape.gradient(estimate.surrogate, logits, unconnected_gradients="zero")

        return backward(tf.constant(np.tile(LOGITS, (K, 1))[:, None])).numpy()[:, 0].astype(np.float64)

    return of


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_backward_sums_to_zero_over_the_classes(gradients, name, objective):
    """Adding a constant to all logits changes nothing."""
    assert gradients(name, OBJECTIVES[objective]).sum(1) == pytest.approx(np.zeros(K), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        *itertools.product(["exact"], OBJECTIVES),
        ("straight_through", "constant"),
        ("straight_through", "linear"),
        ("categorical", "constant"),
    ],
)
def test_the_expected_gradient_is_exact(gradients, name, objective):
    expected = softmax(LOGITS) @ gradients(name, OBJECTIVES[objective])
    np.testing.assert_allclose(expected, exact_gradient(LOGITS, values(OBJECTIVES[objective])), **CLOSE)


@pytest.mark.parametrize(
    ("name", "objective"),
    [("straight_through", "quadratic"), ("straight_through", "cubic"), ("categorical", "linear"), ("gumbel", "linear")],
)
def test_the_expected_gradient_is_biased(gradients, name, objective):
    """The control of the test above: it can tell an estimator that is not exact."""
    expected = softmax(LOGITS) @ gradients(name, OBJECTIVES[objective])
    exact = exact_gradient(LOGITS, values(OBJECTIVES[objective]))
    assert np.linalg.norm(expected - exact) > 0.1 * np.linalg.norm(exact)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_naive_gradient_is_identically_zero(gradients, objective):
    assert not gradients("categorical", OBJECTIVES[objective]).any()


@pytest.mark.parametrize("name", HARD)
def test_the_decoder_reads_the_code_itself(monkeypatch, name):
    monkeypatch.setattr("vaecli.estimators.estimator.sample", lambda logits, seed: tf.eye(K)[:, None])
    read = compiled(lambda logits: _decoded(name, logits))(tf.constant(np.tile(LOGITS, (K, 1))[:, None]))
    assert np.array_equal(read.numpy(), np.eye(K, dtype=np.float32)[:, None])


def _decoded(name, logits):
    seen = []
    METHODS[name].estimator.load()(lambda z: seen.append(z) or tf.reduce_sum(z, (-2, -1)), logits, state=(), seed=SEED)
    return seen[0]


@pytest.mark.parametrize("name", HARD)
def test_the_decoder_gets_the_exact_gradient_in_expectation(monkeypatch, name):
    """Of its own weights: the code it reads is a draw from softmax(logits)."""
    monkeypatch.setattr("vaecli.estimators.estimator.sample", lambda logits, seed: tf.eye(K)[:, None])
    decoder = tf.constant(WEIGHTS)

    def per_code(name):
        @compiled
        def jacobian(logits, decoder):
            with tf.GradientTape() as tape:
                tape.watch(decoder)
                objective = lambda z: tf.reduce_sum(decoder * z, (-2, -1)) ** 3  # noqa: E731
                surrogate = METHODS[name].estimator.load()(objective, logits, state=(), seed=SEED).surrogate
            return tape.jacobian(surrogate, decoder, experimental_use_pfor=False)

        return jacobian(tf.constant(np.tile(LOGITS, (K, 1))[:, None]), decoder).numpy()

    expected = softmax(LOGITS) @ per_code(name)
    np.testing.assert_allclose(expected, per_code("exact")[0], **CLOSE)


def test_exact_equals_brute_force_for_two_latents():
    """sum over all K^L codes of q(c) f(c), and its gradient by central differences in float64."""
    L, K = 2, 3
    logits = np.random.default_rng(2).normal(size=(2, L, K))
    table = np.random.default_rng(3).normal(size=(K, K))
    images = np.array([1.0, 2.0])  # the loss differs between examples

    def loss(logits):
        p = softmax(logits)
        return np.array(
            [
                images[b] * sum(p[b, 0, i] * p[b, 1, j] * table[i, j] for i in range(K) for j in range(K))
                for b in range(2)
            ]
        )

    def objective(z):
        pair = tf.einsum("...i,...j,ij->...", z[..., 0, :], z[..., 1, :], tf.constant(table, tf.float32))
        return pair * tf.constant(images, tf.float32)

    @compiled
    def backward(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            surrogate = METHODS["exact"].estimator.load()(objective, logits, state=(), seed=SEED).surrogate
        return surrogate, tape.gradient(surrogate, logits)

    surrogate, gradient = backward(tf.constant(logits, tf.float32))
    np.testing.assert_allclose(surrogate, loss(logits), **CLOSE)
    step = 1e-6
    for place in np.ndindex(2, L, K):
        ahead, behind = logits.copy(), logits.copy()
        ahead[place] += step
        behind[place] -= step
        slope = (loss(ahead) - loss(behind))[place[0]] / (2 * step)
        assert gradient.numpy()[place] == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_gumbel_is_the_gradient_of_its_relaxed_loss(temperature):
    """d f(softmax((logits + g) / temperature)) at fixed noise, by central differences in float64: unbiased for it."""
    estimator = METHODS["gumbel"].estimator.load()

    @compiled
    def backward(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            seen = []
            objective = lambda z: seen.append(z) or OBJECTIVES["cubic"](z)  # noqa: E731
            surrogate = estimator(objective, logits, state=(), seed=SEED, temperature=temperature).surrogate
        return seen[0], tape.gradient(surrogate, logits)

    z, gradient = backward(tf.constant(LOGITS[None, None]))
    y = z.numpy()[0, 0].astype(np.float64)
    assert y.sum() == pytest.approx(1, abs=1e-6)
    noise = temperature * np.log(y) - LOGITS  # up to a constant, which the softmax does not see

    def loss(logits):
        return (softmax((logits + noise) / temperature) @ WEIGHTS.astype(np.float64)) ** 3

    slopes = [(loss(LOGITS + d) - loss(LOGITS - d)) / 2e-6 for d in 1e-6 * np.eye(K)]
    np.testing.assert_allclose(gradient.numpy()[0, 0], slopes, **CLOSE)


@pytest.mark.parametrize("seed", range(5))
def test_gumbel_at_a_low_temperature_is_the_code(seed):
    estimator = METHODS["gumbel"].estimator.load()

    @compiled
    def draw(logits):
        seen = []
        objective = lambda z: seen.append(z) or tf.reduce_sum(z, (-2, -1))  # noqa: E731
        seeds = tf.constant([seed, 0])
        return seen, estimator(objective, logits, state=(), seed=seeds, temperature=1e-4).one_hot

    (z,), one_hot = draw(tf.constant(np.random.default_rng(seed).normal(size=(20, 2, K)), tf.float32))
    np.testing.assert_allclose(z, one_hot, atol=1e-3)  # a near tie of two classes is no code even then


@pytest.mark.parametrize("name", ESTIMATORS)
def test_one_seed_gives_one_draw(name):
    estimator = METHODS[name].estimator.load()
    logits = tf.zeros((50, 2, K))

    @compiled
    def draw(seed):
        return estimator(lambda z: tf.reduce_sum(z, (-2, -1)), logits, state=(), seed=seed, **OPTIONS.get(name, {}))

    first, again, other = (draw(tf.constant(seed)).one_hot.numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(np.sort(first, -1)[..., -2:], np.broadcast_to([0.0, 1.0], (50, 2, 2)))  # one-hot


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_a_relaxed_sample_is_a_point_of_the_simplex_nearest_to_its_code(temperature):
    logits = tf.constant(np.random.default_rng(5).normal(0, 3, (200, 2, K)), tf.float32)
    one_hot = np.eye(K, dtype=np.float32)[np.random.default_rng(6).integers(0, K, (200, 2))]
    relax = compiled(METHODS["gumbel"].estimator.load().relax)
    z = relax(logits, tf.constant(one_hot), seed=SEED, temperature=temperature).numpy()
    np.testing.assert_allclose(z.sum(-1), 1, rtol=1e-6)  # K roundings of float32
    assert np.array_equal(z.argmax(-1), one_hot.argmax(-1))


def test_gumbel_is_unbiased_for_the_expected_relaxed_loss():
    """Two classes: z_0 = sigmoid((theta + noise) / temperature) with logistic noise, so the truth is one integral."""
    theta, temperature, draws = 0.8, 0.6, 100_000
    relax = METHODS["gumbel"].estimator.load().relax

    def loss(z_0):
        return (2 * z_0 - 0.3) ** 3

    @compiled
    def backward(logits, one_hot, seed):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = loss(relax(logits, one_hot, seed=seed, temperature=temperature)[..., 0])
        return tape.gradient(losses, logits)[:, 0]

    logits = tf.tile([[theta, 0.0]], (draws, 1))
    codes = [tf.tile(one_hot[None], (draws, 1)) for one_hot in tf.eye(2)]
    slopes = [backward(logits, code, tf.constant([9, k])).numpy().astype(np.float64) for k, code in enumerate(codes)]
    p = softmax(np.array([theta, 0.0]))
    error = np.sqrt(sum(p[k] ** 2 * slopes[k].var() / draws for k in range(2)))

    noise = np.linspace(-40, 40, 80_001)
    density = 1 / (4 * np.cosh(noise / 2) ** 2)

    def expected(theta):
        return np.trapezoid(density * loss(1 / (1 + np.exp(-(theta + noise) / temperature))), noise)

    truth = (expected(theta + 1e-5) - expected(theta - 1e-5)) / 2e-5
    assert abs(sum(p[k] * slopes[k].mean() for k in range(2)) - truth) < 4 * error
