import math
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import KINDS, METHOD_NAMES, compiled, small_config, softmax
from vaecli.config import config_from_text
from vaecli.config.resolve import resolved
from vaecli.config.schema import VARIANTS
from vaecli.data import Dataset, Split
from vaecli.data.digits import digits
from vaecli.models.autoencoder import build
from vaecli.models.likelihood import likelihood as likelihood_of
from vaecli.models.networks import Network

IMAGES = tf.constant(np.random.default_rng(0).uniform(size=(20, 8, 8, 1)), tf.float32)
FLAT = tf.reshape(IMAGES, (20, 64))
SEED = tf.constant([0, 1])


LIKELIHOODS = {name: likelihood_of(block()) for name, block in VARIANTS["objective"][1].items()}


def autoencoder(method, *, latents=1, likelihood="mse", hidden=(16,), seed=0):
    size = f", num_latents: {latents}" if latents > 1 else ""
    return build(
        config_from_text(
            f"model: {{name: {method}{size}}}\n"
            f"network: {{hidden: {list(hidden)}}}\n"
            f"objective: {{likelihood: {likelihood}}}\n"
            f"training: {{seed: {seed}}}"
        ),
        (8, 8),
    )


def arrays(model):
    return {name: variable.numpy() for name, variable in model.weights.items()}


def test_distortions_have_their_units():
    x, y = np.random.default_rng(1).uniform(size=(2, 5, 7)).astype(np.float32)
    np.testing.assert_allclose(LIKELIHOODS["mse"].distortion(x, y), ((x - y) ** 2).mean(-1), rtol=1e-5)
    np.testing.assert_allclose(LIKELIHOODS["l1"].distortion(x, y), np.abs(x - y).mean(-1), rtol=1e-5)
    density = np.exp(-(((x - y) / 0.1) ** 2) / 2) / (0.1 * math.sqrt(2 * math.pi))
    narrow = likelihood_of(VARIANTS["objective"][1]["gaussian"](scale=0.1))
    np.testing.assert_allclose(narrow.distortion(x, y), -np.log(density.astype(np.float64)).sum(-1), rtol=1e-4)
    p = 1 / (1 + np.exp(-y.astype(np.float64)))
    nats = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1)
    np.testing.assert_allclose(LIKELIHOODS["bernoulli"].distortion(x, y), nats, rtol=1e-5)
    np.testing.assert_allclose(LIKELIHOODS["bernoulli"].pixels(y), p, rtol=1e-5)


def test_a_learned_scale_is_one_weight_whose_best_value_is_the_error_itself():
    """-log p is least at a standard deviation of sqrt(mse), where its derivative is zero."""
    x, y = np.random.default_rng(1).uniform(size=(2, 5, 7)).astype(np.float32)
    model = autoencoder("vae", likelihood="gaussian, scale: learned")
    learned, log_scale = model.likelihood, model.weights["decoder/likelihood/log_scale"]
    for scale in (1.0, 0.1):
        log_scale.assign(math.log(scale))
        fixed = likelihood_of(VARIANTS["objective"][1]["gaussian"](scale=scale))
        np.testing.assert_allclose(learned.distortion(x, y), fixed.distortion(x, y), rtol=1e-5)
        assert fixed.log_scale is None
    log_scale.assign(math.log(((x - y) ** 2).mean()) / 2)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(learned.distortion(x, y))
    assert abs(float(tape.gradient(total, log_scale.value))) < 1e-3


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_distortions_broadcast_over_codes(likelihood):
    x = np.random.default_rng(1).uniform(size=(5, 7)).astype(np.float32)
    outputs = np.random.default_rng(2).normal(size=(3, 1, 7)).astype(np.float32)
    distortion = LIKELIHOODS[likelihood].distortion
    together = distortion(x, outputs)
    assert together.shape == (3, 5)
    for code in range(3):
        np.testing.assert_allclose(together[code], distortion(x, np.tile(outputs[code], (5, 1))), rtol=1e-5)


@pytest.mark.parametrize("method", METHOD_NAMES)
def test_encoders_and_decoders_of_all_methods_start_equal(method):
    """Layers of one shape: the first of a decoder has another where the latent is not of ten numbers."""
    first, this = arrays(autoencoder("gumbel")), arrays(autoencoder(method))
    shared = [name for name in first if not name.startswith("bottleneck")]
    assert shared == [name for name in this if not name.startswith("bottleneck")]
    narrow = [name for name in shared if first[name].shape != this[name].shape]
    assert narrow == ["decoder/decoder_0/kernel"] * (method in ("fsq", "lfq"))
    assert all(np.array_equal(first[name], this[name]) for name in shared if name not in narrow)


def test_another_seed_starts_elsewhere():
    zero, one = (arrays(autoencoder("vqvae", seed=seed)) for seed in (0, 1))
    assert not [name for name in zero if "kernel" in name and np.array_equal(zero[name], one[name])]


def test_no_two_layers_start_equal():
    kernels = [w.tobytes() for name, w in arrays(autoencoder("vae", hidden=(16, 16, 16))).items() if "kernel" in name]
    assert len(set(kernels)) == len(kernels)


@pytest.mark.parametrize("hidden", [(), (16,), (32, 8)])
@pytest.mark.parametrize("likelihood", ["mse", "bernoulli"])
@pytest.mark.parametrize(("method", "latents"), [*((m, 1) for m in KINDS), ("gumbel", 3), ("vqvae", 3)])
def test_the_exported_model_is_the_mode(method, latents, likelihood, hidden, tmp_path):
    model = autoencoder(method, latents=latents, likelihood=likelihood, hidden=hidden)
    model.export().save(tmp_path / "model.keras")
    plain = keras.models.load_model(tmp_path / "model.keras", safe_mode=True, compile=False)
    expected = model.pixels(model.bottleneck.encode(model.encoder(IMAGES)).z)
    found = plain(tf.reshape(IMAGES, (-1, 8, 8)))
    np.testing.assert_allclose(found, expected[..., 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", KINDS)
def test_the_loss_is_distortion_and_weighted_rate_and_penalty(method):
    model = autoencoder(method)
    state = compiled(model.bottleneck.initial_state)(SEED)
    losses = compiled(lambda x: model.losses(x, beta=0.5, state=state, seed=SEED))(IMAGES)
    loss, distortion, rate, penalty = (float(x) for x in losses[:4])
    assert loss == pytest.approx(distortion + 0.5 * rate + penalty, rel=1e-6)


@pytest.mark.parametrize("method", KINDS)
def test_what_is_measured_is_what_is_shown(method):
    model = autoencoder(method, likelihood="bernoulli")
    measures, pixels = compiled(lambda x: model.measure(x, seed=SEED))(IMAGES)
    for name in ("mode", "sampled"):
        error = np.square(IMAGES - getattr(pixels, name)).mean((1, 2, 3))
        np.testing.assert_allclose(getattr(measures, f"mse_{name}"), error, rtol=1e-5)
    assert (measures.mse_relaxed is None) == (pixels.relaxed is None) == (method != "gumbel")
    assert (measures.codes is None) == (method == "vae")


def test_config_and_model_agree_on_the_number_of_parameters():
    assert sum(w.size for w in arrays(build(small_config("gumbel"), (8, 8))).values()) == 2474


def test_the_elbo_misses_the_likelihood_by_the_divergence_of_the_posteriors():
    """log p(x) - ELBO = KL(q(z|x) || p(z|x)), with all ten codes enumerated in float64."""
    model = autoencoder("exact", likelihood="bernoulli")
    outputs = model.decode(tf.eye(10)[:, None]).numpy().astype(np.float64)
    x = FLAT.numpy().astype(np.float64)
    log_likelihood = x @ outputs.T - np.logaddexp(0, outputs).sum(1)  # [B, K]: x f - log(1 + exp f), summed
    joint = log_likelihood - np.log(10)
    log_evidence = np.logaddexp.reduce(joint, 1)
    q = softmax(model.bottleneck.logits(model.encoder(IMAGES)))[:, 0]
    gap = (q * (np.log(q) - (joint - log_evidence[:, None]))).sum(1)
    losses = compiled(lambda x: model.losses(x, beta=1.0, state=(), seed=SEED))(IMAGES)
    assert (gap > 0).all()
    assert float(losses.loss) == pytest.approx((gap - log_evidence).mean(), rel=1e-5)


@pytest.mark.parametrize("method", KINDS)
def test_decoding_keeps_the_axes_before_the_latent(method):
    model = autoencoder(method)
    z = tf.constant(np.random.default_rng(3).normal(size=(3, 4, 1, 10)), tf.float32)
    outputs = model.decode(z)
    assert outputs.shape == (3, 4, 64)
    for place in np.ndindex(3, 4):
        np.testing.assert_allclose(outputs[place], model.decode(z[place][None])[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("hidden", [(), (16,), (32, 8)])
@pytest.mark.parametrize("draws", [1, 3, 12])  # in the last, each image is held against each code
@pytest.mark.parametrize(
    ("method", "likelihood"), [("straight_through", "mse"), ("vqvae", "mse"), ("rloo", "gaussian, scale: learned")]
)
def test_to_decode_each_code_once_gives_the_values_and_gradients_of_decoding_every_z(method, likelihood, draws, hidden):
    """Checks gradients in z, which may not be a constant, and in the weights of the decoder, for several draws too."""
    model = autoencoder(method, hidden=hidden, likelihood=likelihood)
    codes = tf.one_hot(np.random.default_rng(4).integers(10, size=(draws, 20, 1)), 10)
    each = model.bottleneck.lookup(tf.range(10)[:, None])[:, 0]
    weights = [weight for name, weight in model.weights.items() if name.startswith("decoder/")]
    assert len(weights) == 2 * len(hidden) + 2 + likelihood.endswith("learned")

    def backward(*told):
        @compiled
        def run(codes):
            z = tf.einsum("sblk,kd->sbld", codes, each)
            with tf.GradientTape() as tape:
                tape.watch(z)
                loss = model.distortion(FLAT, z, *told)
                total = tf.reduce_sum(loss**2)
            return loss, tape.gradient(total, [z, *weights])

        return run(codes)

    (loss, gradients), (expected_loss, expected) = backward(codes), backward()
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    for found, slope in zip(gradients, expected, strict=True):
        largest = float(np.abs(slope).max())  # single entries are small differences of such values
        np.testing.assert_allclose(found, slope, rtol=1e-4, atol=1e-6 * max(1, largest))


def test_each_code_is_decoded_once_where_there_are_twice_as_many_z():
    model = autoencoder("straight_through")
    codes, rows, call = tf.one_hot([[0]] * 20, 10), [], Network.__call__
    with mock.patch.object(Network, "__call__", lambda network, x: rows.append(len(x)) or call(network, x)):
        for number in (20, 19):
            model.decode(codes[:number], codes[:number])
        model.decode(codes)
    assert rows == [10, 20, 19, 20]  # of the first 20 the gradient alone is computed


@pytest.mark.parametrize("method", ["gumbel", "straight_through", "vae"])
def test_a_measured_sample_is_drawn_and_its_mode_is_not(method):
    model = autoencoder(method)
    measure = compiled(lambda seed: model.measure(IMAGES, seed=seed))
    (one, _), (two, _) = (measure(tf.constant([0, seed])) for seed in (1, 2))
    assert not np.array_equal(one.mse_sampled, two.mse_sampled)
    assert np.array_equal(one.mse_mode, two.mse_mode)


def images_around(mean):
    split = Split(np.stack([mean, mean]).astype(np.float32))
    return Dataset("two", split, split, 1.0, "made up")


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_decoder_that_begins_at_the_mean_image_draws_it(likelihood):
    """Whatever the code: its other layers are zero here. Black pixels have no finite logit, so they are .001."""
    mean = np.random.default_rng(0).uniform(size=(8, 8, 1))
    mean[0], mean[1] = 0, 1
    text = f"model: gumbel\nobjective: {{likelihood: {likelihood}}}\ntraining: {{output_bias: data_mean}}"
    model = build(config_from_text(text), (8, 8), images_around(mean))
    for layer in model.decoder.layers:
        layer.kernel.assign(0 * layer.kernel)
    drawn = model.pixels(tf.one_hot([[3]], 10))[0]
    least = 1e-3 if likelihood == "bernoulli" else 0
    np.testing.assert_allclose(drawn, np.clip(mean, least, 1 - least), atol=1e-6)


def test_without_a_mean_or_asked_for_zero_the_decoder_begins_at_zero():
    for start, mean in (("zero", np.ones((8, 8, 1))), ("data_mean", None)):
        data = None if mean is None else images_around(mean)
        model = build(config_from_text(f"model: gumbel\ntraining: {{output_bias: {start}}}"), (8, 8), data)
        assert not model.weights["decoder/decoder_pixels/bias"].numpy().any()


@pytest.mark.parametrize(("start", "scale"), [("auto", digits().deviation), ("zero", 1.0)])
def test_a_learned_scale_begins_at_that_of_the_mean_image(start, scale):
    """As the decoder does: from there it is the best."""
    text = f"objective: {{likelihood: gaussian, scale: learned}}\ntraining: {{output_bias: {start}}}"
    model = build(resolved(config_from_text(f"model: gumbel\n{text}")), (8, 8), digits())
    assert math.exp(model.weights["decoder/likelihood/log_scale"].numpy()) == pytest.approx(scale)


@pytest.mark.parametrize("name", ["glorot", "torch", "he", "lecun_normal"])
def test_first_weights_have_the_scale_of_their_rule(name):
    """Over 300 x 200 weights, whose standard deviation is known to half a percent; heads of bottlenecks too."""
    text = (
        f"model: {{name: gumbel, num_classes: 200}}\nnetwork: {{hidden: [300]}}\ntraining: {{initial_weights: {name}}}"
    )
    weights = arrays(build(config_from_text(text), (8, 8)))
    kernel, bias = weights["bottleneck/logits/kernel"], weights["bottleneck/logits/bias"]
    scale = {"glorot": (2 / 500) ** 0.5, "torch": (1 / 900) ** 0.5, "he": (2 / 300) ** 0.5, "lecun_normal": 300**-0.5}
    assert kernel.std() == pytest.approx(scale[name], rel=0.02)
    assert bias.any() == (name == "torch")
    assert np.abs(bias).max() <= 300**-0.5
    assert kernel.std() != weights["encoder/encoder_0/kernel"].std()


@pytest.mark.parametrize(
    ("network", "function"),
    [
        ("activation: relu", lambda x: np.maximum(x, 0)),
        ("activation: leaky_relu", lambda x: np.where(x > 0, x, 0.2 * x)),
        ("activation: leaky_relu, negative_slope: 0.5", lambda x: np.where(x > 0, x, 0.5 * x)),
        ("activation: gelu", lambda x: x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2),
        ("activation: silu", lambda x: x / (1 + np.exp(-x))),
        ("activation: tanh", np.tanh),
    ],
)
def test_hidden_layers_are_activated_as_the_config_says(network, function, tmp_path):
    model = build(config_from_text(f"model: vqvae\nnetwork: {{hidden: [16], {network}}}"), (8, 8))
    first = model.encoder.layers[0]
    plain = FLAT.numpy() @ first.kernel.numpy() + first.bias.numpy()
    np.testing.assert_allclose(model.encoder(IMAGES)[:, 0], function(plain), rtol=1e-4, atol=1e-6)
    model.export().save(tmp_path / "model.keras")
    plain = keras.models.load_model(tmp_path / "model.keras", safe_mode=True, compile=False)
    expected = model.pixels(model.bottleneck.encode(model.encoder(IMAGES)).z)
    np.testing.assert_allclose(plain(IMAGES[..., 0]), expected[..., 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("latents", [1, 3])
@pytest.mark.parametrize("method", ["gumbel", "straight_through"])
def test_the_decoder_reads_integer_codes_as_numbers_from_0_to_1(method, latents, tmp_path):
    options = f"{{name: {method}, num_latents: {latents}, num_classes: 5, embedding: integer}}"
    model = build(config_from_text(f"model: {options}\nnetwork: {{hidden: [16]}}"), (8, 8))
    found = model.bottleneck.encode(model.encoder(IMAGES), seed=SEED)
    np.testing.assert_allclose(found.z[..., 0], found.codes / 4, rtol=1e-6)
    np.testing.assert_allclose(model.bottleneck.lookup(found.codes), found.z, rtol=1e-6)
    assert model.decoder.layers[0].kernel.shape == (latents, 16)
    losses = compiled(lambda x: model.losses(x, beta=0.5, state=(), seed=SEED))(IMAGES)
    assert np.isfinite(float(losses.loss))
    model.export().save(tmp_path / "model.keras")
    plain = keras.models.load_model(tmp_path / "model.keras", safe_mode=True, compile=False)
    expected = model.pixels(model.bottleneck.encode(model.encoder(IMAGES)).z)
    np.testing.assert_allclose(plain(IMAGES[..., 0]), expected[..., 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("scaling", "factor", "offset"), [("centred", 1, -0.5), ("symmetric", 2, -1)])
@pytest.mark.parametrize("likelihood", ["mse", "bernoulli"])
def test_networks_have_scaled_pixels_and_figures_those_of_the_unit_interval(
    likelihood, scaling, factor, offset, tmp_path
):
    text = f"model: vae\nnetwork: {{hidden: [16]}}\nobjective: {{likelihood: {likelihood}}}\n"
    training = "training: {output_bias: data_mean}\n"
    plain = build(config_from_text(text + training), (8, 8), digits())
    scaled = build(config_from_text(f"{text}{training}data: {{name: digits, scaling: {scaling}}}"), (8, 8), digits())
    np.testing.assert_allclose(scaled.encoder(IMAGES), plain.encoder(factor * IMAGES + offset), rtol=1e-5, atol=1e-6)
    z = tf.zeros((1, 1, 10))  # of which both draw the mean image
    np.testing.assert_allclose(scaled.decode(z), plain.decode(z), rtol=1e-4, atol=1e-5)
    assert scaled.weights.keys() == plain.weights.keys()
    scaled.export().save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True, compile=False)
    expected = scaled.pixels(scaled.bottleneck.encode(scaled.encoder(IMAGES)).z)
    np.testing.assert_allclose(loaded(IMAGES[..., 0]), expected[..., 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["gumbel", "vae", "vqvae"])
def test_what_the_bottleneck_reads_is_activated_as_the_config_says(method, tmp_path):
    plain, rectified = (
        build(config_from_text(f"model: {method}\nnetwork: {{hidden: [16], head_activation: {name}}}"), (8, 8))
        for name in ("none", "relu")
    )
    features = plain.encoder(IMAGES)
    for before, after in zip(plain.bottleneck.layers, rectified.bottleneck.layers, strict=True):
        if isinstance(before, keras.layers.Dense):
            np.testing.assert_allclose(after(features), np.maximum(before(features), 0), rtol=1e-6, atol=1e-6)
    rectified.export().save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True, compile=False)
    expected = rectified.pixels(rectified.bottleneck.encode(rectified.encoder(IMAGES)).z)
    np.testing.assert_allclose(loaded(IMAGES[..., 0]), expected[..., 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", VARIANTS["objective"][1])
def test_config_and_model_agree_on_what_is_in_nats(name):
    assert VARIANTS["objective"][1][name].in_nats == LIKELIHOODS[name].in_nats


@pytest.mark.parametrize("prior", ["uniform", "learned"])
def test_a_step_of_vimco_minimises_the_bound_of_its_draws_with_the_rate_in_it(prior):
    """-log (1/S) sum_s exp(-f_s), f = distortion + beta (log q - log p), where the encoder's gradient is exact."""
    draws, beta, K = 2, 0.5, 3
    model = build(
        config_from_text(
            f"model: {{name: vimco, num_draws: {draws}, num_classes: {K}}}\nnetwork: {{hidden: [4]}}\n"
            f"objective: {{likelihood: bernoulli, beta: {beta}, prior: {prior}}}"
        ),
        (8, 8),
    )
    weights, images = model.weights, IMAGES[:1]
    if prior == "learned":
        weights["bottleneck/prior/logits"].assign([[0.3, -1.0, 0.2]])
    kernels = [weights[f"bottleneck/logits/{name}"].value for name in ("kernel", "bias")]

    def f():
        log_q = tf.nn.log_softmax(model.bottleneck.logits(model.encoder(images)))[0, 0]
        codes = tf.eye(K)[:, None]
        log_p = model.bottleneck.log_prior(tf.range(K)[:, None])
        distortion = model.likelihood.distortion(FLAT[:1], model.decode(codes[:, None]))[:, 0]
        return tf.exp(log_q), distortion + beta * (log_q - log_p)

    with tf.GradientTape() as tape:
        q, losses = f()
        bounds = -tf.reduce_logsumexp(-tf.stack(tf.meshgrid(losses, losses)), 0) + math.log(draws)
        expected = tf.reduce_sum(q[:, None] * q * bounds)
    truth = tape.gradient(expected, kernels)
    found = [tf.zeros_like(kernel) for kernel in kernels]
    for pair in np.ndindex(K, K):
        codes = tf.one_hot(pair, K)[:, None, None]
        with mock.patch("vaecli.estimators.vimco.sample", lambda logits, seed, codes=codes: codes):
            with tf.GradientTape() as tape:
                step = model.losses(images, beta=beta, state=(), seed=SEED)
            assert float(step.loss) == pytest.approx(float(bounds[pair]), rel=1e-5)
            assert float(step.loss) == pytest.approx(float(step.distortion + beta * step.rate), rel=1e-5)
            likely = float(q[pair[0]] * q[pair[1]])
            found = [total + likely * one for total, one in zip(found, tape.gradient(step.loss, kernels), strict=True)]
    for mine, true in zip(found, truth, strict=True):
        np.testing.assert_allclose(mine, true, rtol=1e-4, atol=1e-4)
