"""The facts about each estimator's gradient, by enumerating the codes and weighting them with their probability."""

import functools
import itertools
import sys
from contextlib import ExitStack, contextmanager
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled, exact_gradient, softmax
from vaecli.config.options import OPTIONS as DESCRIBED
from vaecli.estimators.sampling import relaxed_code
from vaecli.registry import METHODS

K = 5
LOGITS = np.random.default_rng(0).normal(size=K).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=K).astype(np.float32)
LAYERS = [np.random.default_rng(2).normal(size=shape).astype(np.float32) for shape in ((K, 8), (8,))]
SEED = tf.constant([3, 4])
ESTIMATORS = [name for name, method in METHODS.items() if method.estimator]
PROMISES = {name: METHODS[name].estimator.load().promises for name in ESTIMATORS}
HARD = [name for name in ESTIMATORS if PROMISES[name].reads == "code"]  # the decoder reads draws of softmax(logits)
CLOSE = {"atol": 1e-5, "rtol": 1e-5}  # float32 sums of some tens of terms of order one

DEGREES = ("constant", "linear", "quadratic", "every")  # of exact_for
# z [..., L, K] -> [...]; the cubic is not separable, a separable one would hide errors of direction
OBJECTIVES = {
    "constant": lambda z, codes=None: 3.0 + 0 * tf.reduce_sum(z, (-2, -1)),
    "linear": lambda z, codes=None: tf.reduce_sum(WEIGHTS * z, (-2, -1)),
    "quadratic": lambda z, codes=None: tf.reduce_sum(tf.square(WEIGHTS - z), (-2, -1)),
    "cubic": lambda z, codes=None: tf.reduce_sum(WEIGHTS * z, (-2, -1)) ** 3,
    "mlp": lambda z, codes=None: tf.reduce_sum(tf.tanh(tf.einsum("...lk,kh->...h", z, LAYERS[0])) * LAYERS[1], -1),
}


def frozen(z, codes=None):
    """The cubic, with the values that it has and no gradient."""
    return OBJECTIVES["cubic"](tf.stop_gradient(z)) + 0 * tf.reduce_sum(z, (-2, -1))


DEGREE = {"constant": 0, "linear": 1, "quadratic": 2, "cubic": 3, "mlp": 3}


def objectives(name, kept):
    """Those that the estimator promises to be exact for (kept), or the simplest that it promises nothing of."""
    promised = DEGREES.index(PROMISES[name].exact_for)
    return [
        objective for objective, degree in DEGREE.items() if (degree <= promised if kept else degree == promised + 1)
    ]


def options_of(name, **options):
    """The defaults, but a temperature at which nothing cancels by chance, and what a promise is for."""
    defaults = {key: DESCRIBED[key].default for key in METHODS[name].estimator.options}
    if "temperature" in defaults:
        defaults["temperature"] = 0.7
    return defaults | PROMISES[name].exact_at | options


def state_of(name, L=1, K=K):
    """A state as after some training: neither a baseline of zero nor a control variate that knows nothing."""
    state = compiled(lambda seed: METHODS[name].estimator.load().initial_state(L, K, seed))(SEED)
    if name == "relax":
        weights = [w + tf.constant(np.random.default_rng(3).normal(size=w.shape), w.dtype) for w in state["weights"]]
        return state | {"weights": weights}
    return {"reinforce": {"average": 0.5, "steps": 40.0}, "rebar": {"cross": -0.6, "square": 1.0}}.get(name, state)


@contextmanager
def drawing(codes, *, apart=False):
    """Every estimator draws these codes [B, L, K]; of several draws of one image each has the next value if apart."""

    def drawn(logits, seed):
        if not apart or len(logits.shape) == len(codes.shape):
            return tf.broadcast_to(codes, tf.shape(logits))
        return tf.stack([tf.roll(codes, number, -1) for number in range(logits.shape[0])])

    for name in ESTIMATORS:
        METHODS[name].estimator.load()
    with ExitStack() as stack:
        for module in [
            m for n, m in sys.modules.items() if n.startswith("vaecli.estimators.") and hasattr(m, "sample")
        ]:
            stack.enter_context(mock.patch.object(module, "sample", drawn))
        yield


def run(name, objective, logits, state, seed=SEED, **options):
    return METHODS[name].estimator.load()(objective, logits, state=state, seed=seed, **options_of(name, **options))


@functools.cache
def facts(name, seed=(3, 4), *, apart=False, **options):
    """When each of the K codes in turn was drawn: the gradients on the logits [K, K] by objective, the z that the
    decoder read with the codes it was told they are, and the expected gradient on the weights of a decoder of the
    cubic."""

    @compiled
    def backward(logits, decoder, state, p):
        found = {}
        for objective, function in {**OBJECTIVES, "frozen": frozen}.items():
            with tf.GradientTape() as tape:
                tape.watch(logits)
                surrogate = run(name, function, logits, state, tf.constant(seed), **options).surrogate
            found[objective] = tape.gradient(surrogate, logits, unconnected_gradients="zero")[:, 0]
        read = []
        with tf.GradientTape() as tape:
            tape.watch(decoder)

            def cubic(z, codes=None):
                read.append((z, codes))
                return tf.reduce_sum(decoder * z, (-2, -1)) ** 3

            expected = tf.reduce_sum(p * run(name, cubic, logits, state, **options).surrogate)
        return found, read, tape.gradient(expected, decoder)

    with drawing(tf.eye(K)[:, None], apart=apart):
        logits = tf.constant(np.tile(LOGITS, (K, 1))[:, None])
        p = tf.constant(softmax(LOGITS), tf.float32)
        found, read, decoder = backward(logits, tf.constant(WEIGHTS), state_of(name), p)
    gradients = {objective: x.numpy().astype(np.float64) for objective, x in found.items()}
    return gradients, [(z.numpy(), codes) for z, codes in read], decoder.numpy()


def gradients(name, objective, **options):
    return facts(name, **options)[0][objective]


def truth(objective):
    """The exact gradient [K]."""
    return exact_gradient(LOGITS, OBJECTIVES[objective](tf.eye(K)[:, None]).numpy().astype(np.float64))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_backward_sums_to_zero_over_the_classes_where_that_is_promised(name, objective):
    """Adding a constant to all logits changes nothing."""
    found = gradients(name, objective)
    sums = np.abs(found.sum(1)).max() <= 1e-5 * max(1, np.abs(found).max())
    assert sums == (PROMISES[name].shift_invariant or DEGREE[objective] == 0)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_gradient_is_made_of_slopes_or_values_of_the_loss_as_promised(name):
    whole, of_values = (gradients(name, objective, apart=True) for objective in ("cubic", "frozen"))
    found = "both" if of_values.any() else "slope"
    assert PROMISES[name].learns_from == ("values" if np.allclose(whole, of_values, **CLOSE) and whole.any() else found)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if PROMISES[name].fixed_by_code])
def test_one_code_has_one_gradient_where_that_is_promised(name):
    np.testing.assert_array_equal(gradients(name, "cubic"), gradients(name, "cubic", seed=(5, 6)))


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        (name, objective)
        for name in ESTIMATORS
        if PROMISES[name].fixed_by_code
        for objective in objectives(name, kept=True)
    ],
)
def test_the_expected_gradient_is_exact_where_that_is_promised(name, objective):
    """Averages over the codes, which decide the gradient; the others are held to it by draws, below."""
    np.testing.assert_allclose(softmax(LOGITS) @ gradients(name, objective), truth(objective), **CLOSE)


@pytest.mark.parametrize(
    ("name", "objective"),
    [(name, objective) for name in ESTIMATORS for objective in objectives(name, kept=False)],
)
def test_the_expected_gradient_is_biased_where_nothing_is_promised(name, objective):
    """A promise says all there is to promise; and a control of the tests around: they can see a bias."""
    error = np.linalg.norm(softmax(LOGITS) @ gradients(name, objective) - truth(objective))
    assert error > 0.1 * np.linalg.norm(truth(objective))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_leave_one_out_is_exact_over_all_pairs_of_draws(objective):
    pairs = np.array(list(itertools.product(range(K), repeat=2)))

    @compiled
    def backward(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            surrogate = run("rloo", OBJECTIVES[objective], logits, (), num_draws=2).surrogate
        return tape.gradient(surrogate, logits)[:, 0]

    with drawing(tf.constant(np.eye(K, dtype=np.float32)[pairs.T][:, :, None])):
        found = backward(tf.constant(np.tile(LOGITS, (K * K, 1))[:, None]))
    p = softmax(LOGITS)[pairs].prod(1)
    np.testing.assert_allclose(p @ found.numpy(), truth(objective), **CLOSE)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if not PROMISES[name].fixed_by_code])
def test_the_mean_of_many_gradients_is_exact_where_that_is_promised(name):
    """Tests one latent and two that the loss couples; |z| < 4 at a fixed seed."""
    L, draws = 2, 50_000
    logits = np.random.default_rng(5).normal(size=(L, K)).astype(np.float32)

    @compiled
    def backward(logits, state):
        found = {}
        for objective in objectives(name, kept=True):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                surrogate = run(name, OBJECTIVES[objective], logits, state).surrogate
            found[objective] = tape.gradient(surrogate, logits, unconnected_gradients="zero")
        return found

    for latents in (1, L):
        tiled = tf.constant(np.tile(logits[:latents], (draws, 1, 1)))
        exact = {objective: x[0].numpy() for objective, x in exact_of(tiled[:1]).items()}
        for objective, found in backward(tiled, state_of(name, latents)).items():
            found = found.numpy().astype(np.float64)
            error = found.std(0) / np.sqrt(draws) + 1e-6  # what varies by rounding alone
            assert np.abs((found.mean(0) - exact[objective]) / error).max() < 4, (objective, latents)


@compiled
def exact_of(logits):
    found = {}
    for objective, function in OBJECTIVES.items():
        with tf.GradientTape() as tape:
            tape.watch(logits)
            surrogate = run("exact", function, logits, ()).surrogate
        found[objective] = tape.gradient(surrogate, logits)
    return found


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_naive_gradient_is_identically_zero(objective):
    assert not gradients("categorical", objective).any()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_reinmax_at_temperature_one_is_zgr_draw_by_draw(objective):
    np.testing.assert_allclose(gradients("reinmax", objective), gradients("zgr", objective), **CLOSE)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_zgr_is_the_mean_of_straight_through_and_darn_draw_by_draw(objective):
    mean = (gradients("straight_through", objective) + gradients("darn", objective)) / 2
    np.testing.assert_allclose(gradients("zgr", objective), mean, **CLOSE)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.3])
def test_straight_through_has_the_slope_of_the_probabilities_at_its_backward_temperature(temperature):
    p = softmax(LOGITS / temperature)
    slope = (np.diag(p) - np.outer(p, p)) @ WEIGHTS / temperature  # of the linear loss, whatever the code
    found = gradients("straight_through", "linear", backward_temperature=temperature)
    np.testing.assert_allclose(found, np.tile(slope, (K, 1)), **CLOSE)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_gumbel_rao_with_one_sample_is_gumbel_st_draw_by_draw(objective):
    one = gradients("gumbel_rao", objective, num_samples=1)
    np.testing.assert_allclose(one, gradients("gumbel_st", objective), **CLOSE)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_decoupled_st_with_one_temperature_of_one_is_gumbel_st_draw_by_draw(objective):
    equal = gradients("decoupled_st", objective, backward_temperature=1.0)
    np.testing.assert_allclose(equal, gradients("gumbel_st", objective, temperature=1.0), **CLOSE)


def test_decoupled_st_draws_its_codes_at_the_forward_temperature():
    draws, temperature = 100_000, 3.0

    @compiled
    def draw(logits):
        return run("decoupled_st", OBJECTIVES["linear"], logits, (), forward_temperature=temperature).one_hot

    share = draw(tf.constant(np.tile(LOGITS, (draws, 1, 1)))).numpy().mean((0, 1))
    p = softmax(LOGITS / temperature)
    assert np.abs((share - p) / np.sqrt(p * (1 - p) / draws)).max() < 4


def test_gumbel_rao_has_the_mean_of_gumbel_st_and_less_variance():
    """Averages over the noise alone, for one code."""
    draws = 20_000
    moments = {}
    for name in ("gumbel_st", "gumbel_rao"):

        @compiled
        def backward(logits, name=name):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                surrogate = run(name, OBJECTIVES["cubic"], logits, ()).surrogate
            return tape.gradient(surrogate, logits)[:, 0]

        with drawing(tf.one_hot([[2]], K)):
            found = backward(tf.constant(np.tile(LOGITS, (draws, 1))[:, None])).numpy().astype(np.float64)
        moments[name] = found.mean(0), found.var(0)
    (mean, variance), (mean_rao, variance_rao) = moments.values()
    assert np.abs((mean - mean_rao) / np.sqrt((variance + variance_rao) / draws)).max() < 4
    np.testing.assert_allclose(variance_rao, variance / 10, rtol=0.1)  # of ten samples; its own error is 2%


def test_a_set_of_all_codes_has_the_exact_gradient():
    """Two latents of two values have four codes, as many as are drawn."""
    logits = tf.constant(np.random.default_rng(5).normal(size=(200, 2, 2)), tf.float32)

    @compiled
    def backward(logits):
        found = []
        for name in ("unordered_set", "exact"):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                loss = lambda z, codes=None: tf.reduce_sum(WEIGHTS[:2] * z, (-2, -1)) ** 3  # noqa: E731
                surrogate = run(name, loss, logits, ()).surrogate
            found.append((surrogate, tape.gradient(surrogate, logits)))
        return found

    (value, gradient), (expected, exact) = backward(logits)
    np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-3)  # probabilities that sum to 1 are left by 1 - sum
    np.testing.assert_allclose(gradient, exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("peak", [0.0, 5.0, 12.0, 24.0, 40.0, 80.0])
def test_a_set_is_exact_over_all_sets_however_near_a_posterior_is_to_a_point(peak):
    """Two of three codes are drawn; at a peak of 40 the others have 4e-18 of the probability, below float64's 1 - q."""
    from vaecli.estimators import unordered_set as module

    logits = np.array([peak, 0.0, 0.5], np.float32)
    q, losses = softmax(logits.astype(np.float64)), np.array([3.0, 1.0, 2.0])
    sets = list(itertools.combinations(range(3), 2))
    but = [q[1] + q[2], q[0] + q[2], q[0] + q[1]]  # 1 - q of each
    likely = [q[a] * q[b] / but[a] + q[b] * q[a] / but[b] for a, b in sets]
    assert sum(likely) == pytest.approx(1, rel=1e-14)
    codes = tf.constant(sets, tf.int64)[..., None]
    exact_log_q = module.log_softmax(tf.constant(logits, tf.float64))
    np.testing.assert_allclose(exact_log_q, [-np.log1p(but[0] / q[0]), *np.log(q[1:])], rtol=1e-12)
    log_q = tf.gather(exact_log_q, tf.constant(sets))

    @compiled
    def backward(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = lambda z, codes=None: tf.reduce_sum(z * tf.constant(losses, tf.float32), (-2, -1))  # noqa: E731
            surrogate = run("unordered_set", loss, logits, (), set_size=2).surrogate
        return tape.gradient(surrogate, logits)[:, 0]

    with mock.patch.object(module, "draw", return_value=(codes, log_q)):
        found = backward(tf.constant(np.tile(logits, (3, 1, 1)))).numpy().astype(np.float64)
    exact = q * (losses - q @ losses)
    exact[0] = -exact[1:].sum()  # without the rounding of 3 - (3 q + ...)
    assert np.linalg.norm(likely @ found - exact) < 1e-4 * np.linalg.norm(exact)


@pytest.mark.parametrize("peak", [40.0, 120.0, 700.0, 3000.0])
@pytest.mark.parametrize("set_size", [2, 4])
def test_a_set_has_a_finite_gradient_where_a_posterior_is_a_point(peak, set_size):
    """The likeliest code is in every set, and has all the weight; further peaks below it change nothing of that."""
    logits = tf.constant([[[peak, 0.0, peak / 2, 1.0, -peak]]] * 50)

    @compiled
    def backward(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            surrogate = run("unordered_set", OBJECTIVES["cubic"], logits, (), set_size=set_size).surrogate
        return surrogate, tape.gradient(surrogate, logits)

    value, gradient = backward(logits)
    np.testing.assert_allclose(value, [float(WEIGHTS[0]) ** 3] * 50, rtol=1e-5)
    assert np.abs(gradient).max() < 1e-6


def test_a_set_is_drawn_without_replacement_in_the_order_of_its_probabilities():
    from vaecli.estimators.unordered_set import draw

    draws, L = 50_000, 2
    logits = np.random.default_rng(6).normal(size=(L, 3)).astype(np.float32)
    tiled = tf.constant(np.tile(logits, (draws, 1, 1)))
    codes, log_q = (x.numpy() for x in compiled(lambda x: draw(x, 3, seed=SEED))(tiled))
    number = codes[..., 0] * 3 + codes[..., 1]
    assert (np.sort(number, 1)[:, 1:] > np.sort(number, 1)[:, :-1]).all()
    p = np.outer(softmax(logits[0]), softmax(logits[1])).ravel()
    np.testing.assert_allclose(np.exp(log_q), p[number], rtol=1e-4)
    for first in range(9):
        share = (number[:, 0] == first).mean()
        assert abs(share - p[first]) < 4 * np.sqrt(p[first] * (1 - p[first]) / draws)
        seconds = number[number[:, 0] == first, 1]
        for second in set(range(9)) - {first}:
            expected = p[second] / (1 - p[first])
            error = np.sqrt(expected * (1 - expected) / max(1, len(seconds)))
            assert abs((seconds == second).mean() - expected) < 4.5 * error  # of 72


def test_the_program_that_draws_a_set_is_as_large_for_many_latents_as_for_few():
    """Unrolled, one of 128 latents compiled for ten minutes."""
    from vaecli.estimators.unordered_set import draw

    def operations(latents: int) -> int:
        program = tf.function(lambda x: draw(x, 4, seed=SEED)).get_concrete_function(tf.zeros((2, latents, 2)))
        definition = program.graph.as_graph_def()
        return len(definition.node) + sum(len(one.node_def) for one in definition.library.function)

    assert operations(128) == operations(16)


@pytest.mark.parametrize(("forward", "alike"), [("coupled", 1.0), ("independent", None), ("mode", None)])
def test_gumbel_st_reads_the_code_of_its_noise_or_another(forward, alike):
    """An independent code is that of the noise by chance alone, and so is the most probable one."""
    from vaecli.estimators import gumbel_st as module

    draws, p = 20_000, softmax(LOGITS)
    expected = {"independent": (p**2).sum(), "mode": p.max()}.get(forward, alike)
    of_noise = []

    def recorded(logits, one_hot, **others):
        of_noise.append(one_hot)
        return relaxed_code(logits, one_hot, **others)

    @compiled
    def read(logits):
        with mock.patch.object(module, "relaxed_code", recorded):
            found = run("gumbel_st", OBJECTIVES["linear"], logits, (), forward=forward)
        return found.one_hot, of_noise[-1]

    code, other = (x.numpy()[:, 0] for x in read(tf.constant(np.tile(LOGITS, (draws, 1))[:, None])))
    share = (code * other).sum(-1).mean()
    assert abs(share - expected) <= 4.5 * np.sqrt(expected * (1 - expected) / draws)
    if forward == "mode":
        assert (code.argmax(-1) == LOGITS.argmax()).all()
    else:
        assert (np.abs(code.mean(0) - p) < 4.5 * np.sqrt(p * (1 - p) / draws)).all()


@pytest.mark.parametrize("perturbation", [0.3, 3.0])
def test_direct_is_the_difference_that_its_perturbation_makes_in_the_mean_code(perturbation):
    """The mean of each latent given the other: (softmax(logits) - softmax(logits - epsilon f)) / epsilon."""
    draws, classes = 50_000, 3
    logits = np.random.default_rng(6).normal(size=(2, classes)).astype(np.float32)
    table = np.random.default_rng(7).normal(size=(classes, classes)).astype(np.float32)
    expected = [
        sum(
            share * (softmax(mine) - softmax(mine - perturbation * losses)) / perturbation
            for share, losses in zip(softmax(other), of_other, strict=True)
        )
        for mine, other, of_other in ((logits[0], logits[1], table.T), (logits[1], logits[0], table))
    ]

    @compiled
    def gradients_of(logits):
        loss = lambda z, codes=None: tf.einsum("...i,...j,ij->...", z[..., 0, :], z[..., 1, :], table)  # noqa: E731
        with tf.GradientTape() as tape:
            tape.watch(logits)
            surrogate = run("direct", loss, logits, (), perturbation=perturbation).surrogate
        return tape.gradient(surrogate, logits)

    found = gradients_of(tf.constant(np.tile(logits, (draws, 1, 1)))).numpy()
    error = found.std(0) / np.sqrt(draws)
    assert (np.abs(found.mean(0) - expected) < 4.5 * error).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_vimco_is_exact_for_the_bound_of_two_over_all_pairs_of_draws(objective):
    """For the gradients in the logits and in a decoder that scales the loss."""
    pairs = np.array(list(itertools.product(range(K), repeat=2)))
    one_hots = tf.constant(np.eye(K, dtype=np.float32)[pairs.T][:, :, None])
    scale = tf.constant(0.7)

    @compiled
    def backward(logits, scale, p):
        with tf.GradientTape() as tape:
            tape.watch([logits, scale])
            loss = lambda z, codes=None: scale * OBJECTIVES[objective](z)  # noqa: E731
            expected = tf.reduce_sum(p * run("vimco", loss, logits, (), num_draws=2).surrogate)
        return expected, *tape.gradient(expected, [logits, scale])

    @compiled
    def by_enumeration(logits, scale):
        with tf.GradientTape() as tape:
            tape.watch([logits, scale])
            q, weights = tf.nn.softmax(logits), tf.exp(-scale * OBJECTIVES[objective](tf.eye(K)[:, None]))
            bounds = -tf.math.log((weights[:, None] + weights) / 2)
            expected = tf.reduce_sum(q[:, None] * q * bounds)
        return expected, *tape.gradient(expected, [logits, scale])

    with drawing(one_hots):
        p = tf.constant(softmax(LOGITS)[pairs].prod(1), tf.float32)
        value, of_logits, of_scale = backward(tf.constant(np.tile(LOGITS, (K * K, 1))[:, None]), scale, p)
    expected = by_enumeration(tf.constant(LOGITS), scale)
    for found, true in zip((value, tf.reduce_sum(of_logits, (0, 1)), of_scale), expected, strict=True):
        np.testing.assert_allclose(found, true, **CLOSE)


def test_muprop_has_no_variance_where_the_loss_is_linear():
    np.testing.assert_allclose(gradients("muprop", "linear"), np.tile(truth("linear"), (K, 1)), **CLOSE)
    assert gradients("muprop", "quadratic").std(0).max() > 0.01


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_mve_without_a_second_order_is_straight_through_draw_by_draw(objective):
    found = gradients("mve", objective, second_order=0.0)
    np.testing.assert_allclose(found, gradients("straight_through", objective), **CLOSE)


@pytest.mark.parametrize("t", [0.0, 3.0, 1e6])
def test_mve_is_exact_for_linear_losses_at_any_weight_of_the_second_order(t):
    found = softmax(LOGITS) @ gradients("mve", "linear", second_order=t)
    np.testing.assert_allclose(found, truth("linear"), **CLOSE)


@pytest.mark.parametrize("t", [0.5, 20.0])
def test_mve_minimises_variance_and_error_of_second_order_by_brute_force(t):
    """The problem itself, K^2 unknowns for each column of s and K constraints, as one linear system in float64."""
    p = softmax(LOGITS.astype(np.float64))
    J = np.diag(p) - np.outer(p, p)
    rows = [(x, i) for x in range(K) for i in range(K)]
    system, right = np.zeros((K * K + K, K * K + K)), np.zeros((K * K + K, K))
    for x, i in rows:  # half of the derivative in s_xi
        row = x * K + i
        system[row, row] += p[x] + t * p[x] ** 2
        system[row, i * K + x] += t * p[x] * p[i]
        system[row, K * K + i] = -p[x]
        right[row] = t * p[x] * J[i] * (x == i)
        system[K * K + i, row] = p[x]
    right[K * K :] = J
    s = np.linalg.solve(system, right)[: K * K].reshape(K, K, K)
    for objective in ("linear", "cubic"):
        with tf.GradientTape() as tape:
            z = tf.Variable(np.eye(K, dtype=np.float32)[:, None])
            loss = OBJECTIVES[objective](z)
        g = tape.gradient(loss, z).numpy()[:, 0].astype(np.float64)
        expected = np.einsum("xi,xik->xk", g, s)
        np.testing.assert_allclose(gradients("mve", objective, second_order=t), expected, rtol=1e-4, atol=1e-5)


def test_mve_of_numbers_is_exact_for_what_is_quadratic_in_them_and_straight_through_without_a_second_order():
    numbers = np.linspace(0, 1, K)
    losses = {"linear": lambda y: 2.0 * y, "quadratic": lambda y: (y - 0.3) ** 2, "cubic": lambda y: (y - 0.3) ** 3}
    p = softmax(LOGITS)

    def backward(loss, name, **options):
        @compiled
        def slopes(logits):
            with tf.GradientTape() as tape:
                tape.watch(logits)
                y = lambda z, codes=None: loss(tf.linalg.matvec(z, tf.constant(numbers, tf.float32)))[..., 0]  # noqa: E731
                surrogate = run(name, y, logits, (), **options).surrogate
            return tape.gradient(surrogate, logits)[:, 0]

        with drawing(tf.eye(K)[:, None]):
            return slopes(tf.constant(np.tile(LOGITS, (K, 1))[:, None])).numpy().astype(np.float64)

    for name, loss in losses.items():
        found = backward(loss, "mve", second_order=1e6, embedding="integer")
        error = np.abs(p @ found - exact_gradient(LOGITS, loss(numbers))).max()
        assert (error < 1e-5) == (name != "cubic"), name
        without = backward(loss, "mve", second_order=0.0, embedding="integer")
        np.testing.assert_allclose(without, backward(loss, "straight_through"), **CLOSE)
        np.testing.assert_allclose(found.sum(1), 0, atol=1e-5)


def test_gst_decodes_its_definition():
    """One code and a class within the gap, in float64 by hand."""
    logits, code, gap, temperature = np.array([1.0, 0.2, -2.0, 1.5, 1.4]), 1, 1.0, 0.7
    lifted = logits.copy()
    lifted[code] = 1.5
    lifted[[0, 3, 4]] = 1.5 - gap  # class 2 lies below the gap and stays
    y = softmax(lifted / temperature)
    expected = (np.diag(y) - np.outer(y, y)) @ WEIGHTS / temperature

    @compiled
    def backward(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            surrogate = run("gst", OBJECTIVES["linear"], logits, (), gap=gap).surrogate
        return tape.gradient(surrogate, logits)

    with drawing(tf.one_hot([[code]], K)):
        found = backward(tf.constant(logits[None, None], tf.float32))
    np.testing.assert_allclose(found[0, 0], expected, **CLOSE)


@pytest.mark.parametrize("name", HARD)
def test_the_decoder_reads_the_code_itself(name):
    codes = np.eye(K, dtype=np.float32)[:, None]
    assert any(np.array_equal(np.broadcast_to(codes, z.shape), z) for z, _ in facts(name)[1])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_objective_is_told_the_codes_of_a_z_that_is_hard_and_of_no_other(name):
    for z, codes in facts(name)[1]:
        hard = np.isin(z, (0, 1)).all() and name != "exact"  # which reads all codes, each once
        assert (codes is not None) == hard
        assert codes is None or np.array_equal(codes, z)


@pytest.mark.parametrize("name", HARD)
def test_the_decoder_gets_the_exact_gradient_in_expectation(name):
    """The gradient in its own weights: its code is a draw from softmax(logits), and no control variate leaks in."""
    p = softmax(LOGITS)
    np.testing.assert_allclose(facts(name)[2], 3 * p * WEIGHTS.astype(np.float64) ** 2, **CLOSE)


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

    def objective(z, codes=None):
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
            objective = lambda z, codes=None: seen.append(z) or OBJECTIVES["cubic"](z)  # noqa: E731
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
        objective = lambda z, codes=None: seen.append(z) or tf.reduce_sum(z, (-2, -1))  # noqa: E731
        seeds = tf.constant([seed, 0])
        return seen, estimator(objective, logits, state=(), seed=seeds, temperature=1e-4).one_hot

    (z,), one_hot = draw(tf.constant(np.random.default_rng(seed).normal(size=(20, 2, K)), tf.float32))
    np.testing.assert_allclose(z, one_hot, atol=1e-3)  # a near tie of two classes is no code even then


@pytest.mark.parametrize("name", ESTIMATORS)
def test_one_seed_gives_one_draw(name):
    logits, state = tf.zeros((50, 2, K)), state_of(name, 2)

    @compiled
    def draw(seed):
        return run(name, OBJECTIVES["quadratic"], logits, state, seed).one_hot

    first, again, other = (draw(tf.constant(seed)).numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(np.sort(first, -1)[..., -2:], np.broadcast_to([0.0, 1.0], (50, 2, 2)))  # one-hot


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_a_relaxed_sample_is_a_point_of_the_simplex_nearest_to_its_code(temperature):
    logits = tf.constant(np.random.default_rng(5).normal(0, 3, (200, 2, K)), tf.float32)
    one_hot = np.eye(K, dtype=np.float32)[np.random.default_rng(6).integers(0, K, (200, 2))]
    relax = compiled(METHODS["gumbel"].estimator.load().path)
    z = relax(logits, tf.constant(one_hot), seed=SEED, temperature=temperature).numpy()
    np.testing.assert_allclose(z.sum(-1), 1, rtol=1e-6)  # K roundings of float32
    assert np.array_equal(z.argmax(-1), one_hot.argmax(-1))


def test_gumbel_is_unbiased_for_the_expected_relaxed_loss():
    """Two classes: z_0 = sigmoid((theta + noise) / temperature) with logistic noise, so the truth is one integral."""
    theta, temperature, draws = 0.8, 0.6, 100_000
    relax = METHODS["gumbel"].estimator.load().path

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


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_reinmax_cv_without_its_control_variate_is_reinmax_draw_by_draw(objective):
    plain = gradients("reinmax", objective, temperature=1.0)
    np.testing.assert_allclose(gradients("reinmax_cv", objective, control_weight=0.0), plain, **CLOSE)


@pytest.mark.parametrize("objective", ["linear", "quadratic", "cubic", "mlp"])
def test_reinmax_rao_has_less_variance_than_reinmax(objective):
    """At temperature 1 and the 100 samples of its authors about 0.6 of it; so many draws know it to 2 or 3 %."""
    _, spread = of_draws("reinmax", objective, 4000, temperature=1.0)
    _, of_rao = of_draws("reinmax_rao", objective, 4000, temperature=1.0, num_samples=100)
    assert of_rao.sum() < 0.7 * spread.sum()


@pytest.mark.parametrize("name", ["redge", "redge_cov"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_redge_whose_last_noise_has_no_signal_is_straight_through_draw_by_draw(name, objective):
    whole = gradients(name, objective, first_time=1.0)
    np.testing.assert_allclose(whole, gradients("straight_through", objective), **CLOSE)


def test_the_codes_of_redge_come_nearer_to_the_probabilities_with_more_steps():
    draws = 50_000

    @compiled
    def shares(logits, steps):
        return tf.reduce_mean(run("redge", OBJECTIVES["linear"], logits, (), denoising_steps=steps).one_hot, (0, 1))

    logits, p = tf.constant(np.tile(LOGITS, (draws, 1, 1))), softmax(LOGITS)
    errors = [np.abs(shares(logits, steps).numpy() - p).max() for steps in (1, 4, 32)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


def of_draws(name, objective, draws, **options):
    """Mean and variance [K] of an estimator's gradient over codes and noise."""

    @compiled
    def backward(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            surrogate = run(name, OBJECTIVES[objective], logits, (), **options).surrogate
        return tape.gradient(surrogate, logits)[:, 0]

    found = backward(tf.constant(np.tile(LOGITS, (draws, 1, 1)))).numpy().astype(np.float64)
    return found.mean(0), found.var(0)
