import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from helpers import compiled, softmax
from vaecli.backend.progress import END, Progress
from vaecli.bottlenecks.categorical import Categorical
from vaecli.bottlenecks.gaussian import Gaussian
from vaecli.bottlenecks.vector_quantizer import VectorQuantizer
from vaecli.config.options import Schedule
from vaecli.registry import METHODS

FEATURES = tf.constant(np.random.default_rng(0).normal(size=(64, 6)), tf.float32)
SEED = tf.constant([1, 2])


def categorical(name="straight_through", **sizes):
    return Categorical(6, 1, METHODS[name].estimator.load(), {}, seed=0, **{"num_latents": 2, "num_classes": 4} | sizes)


def quantizer(**options):
    defaults = {"num_latents": 2, "num_codes": 7, "code_dim": 3, "commitment": 0.25}
    bottleneck = VectorQuantizer(6, 1, seed=0, **defaults | options)
    bottleneck.book.table.embeddings.assign(
        np.random.default_rng(1).normal(size=bottleneck.book.table.embeddings.shape)
    )
    return bottleneck


def test_the_categorical_rate_is_the_divergence_from_uniform():
    bottleneck = categorical()
    p = softmax(bottleneck.logits(FEATURES))
    expected = (p * np.log(p * 4)).sum((1, 2))
    np.testing.assert_allclose(bottleneck.encode(FEATURES).rate, expected, rtol=1e-5, atol=1e-6)


def test_the_categorical_rate_lies_between_nothing_and_the_capacity():
    bottleneck = categorical()
    for scale, rate in ((0.0, 0.0), (1e6, 2 * math.log(4))):
        assert bottleneck.encode(scale * FEATURES).rate.numpy() == pytest.approx(np.full(64, rate), abs=1e-4)


def test_the_mode_is_the_most_probable_code():
    bottleneck = categorical()
    latent = bottleneck.encode(FEATURES)
    assert np.array_equal(latent.codes, bottleneck.logits(FEATURES).numpy().argmax(-1))
    assert np.array_equal(latent.z, np.eye(4, dtype=np.float32)[latent.codes])


def test_only_what_trains_on_a_relaxed_sample_has_one():
    assert categorical("straight_through").relaxed(FEATURES, seed=SEED) is None
    gumbel = Categorical(
        6, 1, METHODS["gumbel"].estimator.load(), {"temperature": 1.0}, seed=0, num_latents=2, num_classes=4
    )
    relaxed = compiled(gumbel.relaxed)(FEATURES, seed=SEED).numpy()
    np.testing.assert_allclose(relaxed.sum(-1), 1, rtol=1e-6)
    assert (relaxed < 0.99).any()


def test_unimix_mixes_the_posterior_itself():
    """Logits, rate and samples agree: no code is rarer than unimix / K, and the mode stays."""
    plain, mixed = categorical(), categorical(unimix=0.2)
    p, q = softmax(plain.logits(3 * FEATURES)), softmax(mixed.logits(3 * FEATURES))
    np.testing.assert_allclose(q, 0.8 * p + 0.2 / 4, atol=1e-6)
    latent = mixed.encode(3 * FEATURES)
    np.testing.assert_allclose(latent.rate, (q * np.log(q * 4)).sum((1, 2)), rtol=1e-4)
    assert np.array_equal(latent.codes, plain.encode(3 * FEATURES).codes)
    draws = compiled(mixed.encode)(tf.tile(30 * FEATURES[:1], (20_000, 1)), seed=SEED).z.numpy().mean(0)
    assert draws.min() > 0.04  # 0.05 less four of its errors


def test_a_scheduled_temperature_is_that_of_its_progress_and_at_last_in_evaluation():
    schedule = Schedule(schedule="linear", start=1.0, end=0.5)
    heads = {
        temperature: Categorical(
            6, 1, METHODS["gumbel"].estimator.load(), {"temperature": temperature}, seed=0, num_latents=2, num_classes=4
        )
        for temperature in (schedule, 0.5, 0.75)
    }
    weights = tf.constant([1.0, -2.0, 0.5, 3.0])

    def losses(bottleneck, progress):
        objective = lambda z, codes=None: tf.reduce_sum(tf.square(weights - z), (1, 2))  # noqa: E731
        train = compiled(lambda x: bottleneck.train(x, objective, state=(), seed=SEED, progress=progress).surrogate)
        return train(FEATURES).numpy()

    np.testing.assert_allclose(losses(heads[schedule], Progress(5, 10, 10)), losses(heads[0.75], END), rtol=1e-5)
    relaxed = [compiled(heads[temperature].relaxed)(FEATURES, seed=SEED) for temperature in (schedule, 0.5)]
    np.testing.assert_allclose(*relaxed, rtol=1e-4, atol=1e-6)  # two programs


def test_the_gaussian_rate_is_the_divergence_from_the_standard_normal():
    """One dimension, by numerical integration."""
    bottleneck = Gaussian(6, 1, seed=0, latent_dim=1)
    mean, std = bottleneck.mean(FEATURES).numpy()[:, 0], np.exp(bottleneck.log_std(FEATURES).numpy()[:, 0])
    x = np.linspace(-30, 30, 200_001)

    def density(mean, std):
        return np.exp(-(((x - mean) / std) ** 2) / 2) / std / math.sqrt(2 * math.pi) + 1e-300

    rate = bottleneck.encode(FEATURES).rate.numpy()
    for n in range(8):
        q = density(mean[n], std[n])
        assert rate[n] == pytest.approx(np.trapezoid(q * np.log(q / density(0, 1)), x), rel=1e-4)


def test_the_rate_of_several_gaussian_dimensions_is_their_sum():
    bottleneck = Gaussian(6, 1, seed=0, latent_dim=3)
    mean, log_std = (head(FEATURES).numpy().astype(np.float64) for head in (bottleneck.mean, bottleneck.log_std))
    expected = ((mean**2 + np.exp(2 * log_std) - 1) / 2 - log_std).sum(-1)
    np.testing.assert_allclose(bottleneck.encode(FEATURES).rate, expected, rtol=1e-5)


def test_the_gaussian_trains_on_a_sample_whose_gradient_reaches_mean_and_std():
    """z = mean + std * eps: dz/dmean = 1, dz/dlog_std = std * eps, the noise that was drawn."""
    bottleneck = Gaussian(6, 1, seed=0, latent_dim=3)
    weights = tf.constant([1.0, -2.0, 0.5])
    heads = [bottleneck.mean.bias, bottleneck.log_std.bias]

    @compiled
    def train(features):
        seen = []
        with tf.GradientTape() as tape:
            objective = lambda z, codes=None: seen.append(z) or tf.reduce_sum(weights * z, (-2, -1))  # noqa: E731
            step = bottleneck.train(features, objective, state=(), seed=SEED)
        return seen[0], step.penalty, tape.gradient(step.surrogate, [head.value for head in heads])

    z, penalty, (of_mean, of_log_std) = train(FEATURES)
    noise = z.numpy()[:, 0] - bottleneck.mean(FEATURES).numpy()  # std * eps
    assert np.abs(noise).min() > 0
    assert not penalty.numpy().any()
    np.testing.assert_allclose(of_mean, 64 * weights.numpy(), rtol=1e-5)  # sums of 64 float32
    np.testing.assert_allclose(of_log_std, weights * noise.sum(0), rtol=1e-4)  # z - mean cancels digits


@pytest.mark.parametrize(
    ("head", "std"),
    [
        ("log_std", np.exp),
        ("log_variance", lambda x: np.exp(x / 2)),
        ("softplus", lambda x: np.log1p(np.exp(x))),
    ],
)
def test_the_head_gives_the_gaussian_scale_in_the_form_that_the_config_names(head, std):
    bottleneck = Gaussian(6, 1, seed=0, latent_dim=3, scale_head=head)
    _, log_std = bottleneck.moments(FEATURES)
    np.testing.assert_allclose(np.exp(log_std), std(bottleneck.log_std(FEATURES).numpy()), rtol=1e-5)


def test_the_gaussian_noise_is_really_added():
    bottleneck = Gaussian(6, 1, seed=0, latent_dim=2)
    features = tf.tile(FEATURES[:1], (50_000, 1))
    z = compiled(bottleneck.encode)(features, seed=SEED).z.numpy()[:, 0]
    mean, std = bottleneck.mean(features[:1]).numpy()[0], np.exp(bottleneck.log_std(features[:1]).numpy()[0])
    assert np.abs((z.mean(0) - mean) / std * math.sqrt(50_000)).max() < 4
    np.testing.assert_allclose(z.std(0), std, rtol=0.02)  # its own error is 0.3%
    assert np.array_equal(bottleneck.encode(features[:1]).z[0, 0], mean)


def test_a_vector_becomes_its_nearest_codebook_row():
    bottleneck = quantizer()
    e, codebook = bottleneck.embed(FEATURES).numpy(), bottleneck.book.rows.numpy()
    distance = ((e[:, :, None] - codebook) ** 2).sum(-1)
    latent = bottleneck.encode(FEATURES)
    assert np.array_equal(latent.codes, distance.argmin(-1))
    np.testing.assert_allclose(latent.z, codebook[distance.argmin(-1)], rtol=1e-6)
    np.testing.assert_allclose(latent.rate, 2 * math.log(7), rtol=1e-6)


def test_the_decoder_reads_codebook_rows_to_the_last_bit_in_training_too():
    bottleneck = quantizer()
    seen = []
    bottleneck.train(FEATURES, lambda z, codes: seen.extend((z, codes)) or tf.zeros(64), state=(), seed=SEED)
    codes = bottleneck.encode(FEATURES).codes.numpy()
    assert np.array_equal(seen[0], bottleneck.book.rows.numpy()[codes])
    assert np.array_equal(seen[1], np.eye(7)[codes])


def quantizer_gradients(bottleneck, objective):
    """(d/de, d/dcodebook) of the surrogate, and of the penalty."""
    seen = []

    def embed(features):
        seen.append(tf.reshape(bottleneck.head(features), (-1, *bottleneck.latent_shape)))
        tape.watch(seen[0])
        return seen[0]

    bottleneck.embed = embed
    with tf.GradientTape(persistent=True) as tape:
        step = bottleneck.train(FEATURES, objective, state=(), seed=SEED)
    sources = [seen[0], bottleneck.book.table.embeddings.value]
    return [
        [None if g is None else tf.convert_to_tensor(g).numpy() for g in tape.gradient(target, sources)]
        for target in (step.surrogate, step.penalty)
    ]


def test_the_distortion_moves_the_encoder_and_not_the_codebook():
    weights = np.random.default_rng(2).normal(size=(2, 3)).astype(np.float32)
    (encoder, codebook), _ = quantizer_gradients(quantizer(), lambda z, codes: tf.reduce_sum(weights * z, (1, 2)))
    np.testing.assert_allclose(encoder, np.tile(weights, (64, 1, 1)))
    assert codebook is None or not codebook.any()


@pytest.mark.parametrize("commitment", [0.0, 0.25, 2.0])
def test_the_codebook_loss_moves_the_codebook_and_the_commitment_the_encoder(commitment):
    bottleneck = quantizer(commitment=commitment)
    e = bottleneck.embed(FEATURES).numpy()
    q, codes = (x.numpy() for x in bottleneck.book.quantize(e))
    _, (encoder, codebook) = quantizer_gradients(bottleneck, lambda z, codes: tf.zeros(64))
    np.testing.assert_allclose(encoder, commitment * 2 * (e - q) / 6, atol=1e-6)
    expected = np.zeros((7, 3))
    for place in np.ndindex(64, 2):
        expected[codes[place].argmax()] += 2 * (q[place] - e[place]) / 6
    np.testing.assert_allclose(codebook, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [categorical, quantizer])
def test_lookup_of_the_codes_is_what_the_decoder_reads(make):
    latent = make().encode(FEATURES)
    bottleneck = make()
    np.testing.assert_allclose(bottleneck.lookup(latent.codes), latent.z, rtol=1e-6)


def test_a_gaussian_is_looked_up_by_its_vector():
    bottleneck = Gaussian(6, 1, seed=0, latent_dim=3)
    assert np.array_equal(bottleneck.lookup(bottleneck.mean(FEATURES)), bottleneck.encode(FEATURES).z)


def test_sampled_codes_follow_the_posterior():
    bottleneck = categorical()
    draws = 20_000
    latent = compiled(bottleneck.encode)(tf.tile(FEATURES[:1], (draws, 1)), seed=SEED)
    assert np.array_equal(latent.z, np.eye(4, dtype=np.float32)[latent.codes])
    p = softmax(bottleneck.logits(FEATURES[:1]))[0]
    z = (latent.z.numpy().mean(0) - p) / np.sqrt(p * (1 - p) / draws)
    assert np.abs(z).max() < 4


def test_the_codes_of_a_quantizer_are_not_random():
    bottleneck = quantizer()
    assert np.array_equal(bottleneck.encode(FEATURES, seed=SEED).codes, bottleneck.encode(FEATURES).codes)


def test_the_weight_of_a_drawn_code_is_its_prior_over_its_posterior():
    """Over all 16 codes, each of which some of the draws has: the posterior sums to 1, the prior is uniform."""
    bottleneck = categorical()
    z, log_weight = compiled(bottleneck.log_weight)(tf.tile(FEATURES[:1], (5_000, 1)), seed=SEED)
    codes = z.numpy().argmax(-1) @ [4, 1]
    log_p = bottleneck.logits(FEATURES[:1]).numpy()[0].astype(np.float64)
    log_p -= np.logaddexp.reduce(log_p, -1, keepdims=True)
    log_q = (log_p[0][:, None] + log_p[1]).reshape(-1)  # of each of the 16
    assert np.exp(log_q).sum() == pytest.approx(1)
    np.testing.assert_allclose(log_weight, -math.log(16) - log_q[codes], atol=1e-5)
    assert set(codes) == set(range(16))


def with_prior():
    """A learned prior of two codes of four, away from where it begins."""
    bottleneck = categorical(prior="learned")
    assert not bottleneck.prior.numpy().any()
    bottleneck.prior.assign(np.random.default_rng(5).normal(size=(2, 4)))
    return bottleneck


EVERY = np.array(list(itertools.product(range(4), repeat=2)), np.int32)  # the 16 codes


@pytest.mark.parametrize("make", [categorical, with_prior])
def test_prior_and_posterior_sum_to_one_and_their_mean_weight_is_minus_the_rate(make):
    bottleneck = make()
    log_p = bottleneck.log_prior(EVERY).numpy().astype(np.float64)
    log_q = bottleneck.log_posterior(FEATURES, EVERY).numpy().T.astype(np.float64)  # [B, 16]
    assert np.exp(log_p).sum() == pytest.approx(1, rel=1e-6)
    np.testing.assert_allclose(np.exp(log_q).sum(1), 1, rtol=1e-6)
    expected = (np.exp(log_q) * (log_q - log_p)).sum(1)
    np.testing.assert_allclose(bottleneck.encode(FEATURES).rate, expected, rtol=1e-4, atol=1e-6)
    z, log_weight = compiled(bottleneck.log_weight)(FEATURES, seed=SEED)
    drawn = z.numpy().argmax(-1) @ [4, 1]
    np.testing.assert_allclose(log_weight, log_p[drawn] - log_q[range(64), drawn], atol=1e-5)


def test_a_learned_prior_is_that_of_its_logits_and_begins_uniform():
    bottleneck = with_prior()
    p = softmax(bottleneck.prior.numpy())
    np.testing.assert_allclose(bottleneck.log_prior(EVERY), np.log(p[0, EVERY[:, 0]] * p[1, EVERY[:, 1]]), rtol=1e-5)
    bottleneck.prior.assign(np.zeros((2, 4)))
    np.testing.assert_allclose(bottleneck.log_prior(EVERY), -2 * math.log(4), rtol=1e-6)
    np.testing.assert_allclose(bottleneck.encode(FEATURES).rate, categorical().encode(FEATURES).rate, atol=1e-6)


def test_the_rate_draws_a_learned_prior_to_the_mean_posterior():
    """d mean KL(q || p) / d logits of p = p - mean q: zero where the prior is the aggregate posterior."""
    bottleneck = with_prior()
    with tf.GradientTape() as tape:
        rate = tf.reduce_mean(bottleneck.encode(FEATURES).rate)
    q = softmax(bottleneck.logits(FEATURES)).mean(0)
    gradient = tape.gradient(rate, bottleneck.prior.value)
    np.testing.assert_allclose(gradient, softmax(bottleneck.prior.numpy()) - q, atol=1e-6)


def test_the_posterior_of_a_point_is_its_code():
    bottleneck = quantizer()
    codes = bottleneck.encode(FEATURES).codes.numpy()
    every = np.array(list(itertools.product(range(7), repeat=2)), np.int32)
    log_q = bottleneck.log_posterior(FEATURES, every).numpy()
    assert np.array_equal(log_q == 0, (every[:, None] == codes).all(-1))
    assert np.isneginf(log_q[log_q != 0]).all()
    np.testing.assert_allclose(bottleneck.log_prior(every), -2 * math.log(7), rtol=1e-6)


def test_the_weight_of_a_drawn_vector_is_its_prior_density_over_its_posterior_density():
    bottleneck = Gaussian(6, 1, seed=0, latent_dim=3)
    z, log_weight = compiled(bottleneck.log_weight)(FEATURES, seed=SEED)
    z = z.numpy()[:, 0].astype(np.float64)
    mean, std = bottleneck.mean(FEATURES).numpy(), np.exp(bottleneck.log_std(FEATURES).numpy())

    def log_density(mean, std):
        return (-(((z - mean) / std) ** 2) / 2 - np.log(std) - math.log(2 * math.pi) / 2).sum(-1)

    np.testing.assert_allclose(log_weight, log_density(0, 1) - log_density(mean, std), rtol=1e-4, atol=1e-5)


def test_the_weight_of_a_point_is_its_prior_alone():
    z, log_weight = quantizer().log_weight(FEATURES, seed=SEED)
    np.testing.assert_allclose(log_weight, -2 * math.log(7), rtol=1e-6)
    assert np.array_equal(z, quantizer().encode(FEATURES).z)


@pytest.mark.parametrize("method", ["gumbel", "vae", "vqvae"])
def test_all_positions_share_the_head(method):
    """Two positions with the same features have the same codes and the same numbers."""
    options = {"gumbel": {"num_latents": 2, "num_classes": 4}, "vae": {"latent_dim": 3}, "vqvae": None}[method]
    if method == "vqvae":
        bottleneck = VectorQuantizer(6, 4, seed=0, num_latents=2, num_codes=7, code_dim=3, commitment=0.25)
    elif method == "vae":
        bottleneck = Gaussian(6, 4, seed=0, **options)
    else:
        bottleneck = Categorical(6, 4, METHODS[method].estimator.load(), {}, seed=0, **options)
    alike = tf.tile(FEATURES[:, None], (1, 4, 1))
    z = bottleneck.encode(alike).z.numpy()
    assert z.shape[1:] == bottleneck.latent_shape
    of_positions = z.reshape(64, 4, -1)
    assert np.array_equal(of_positions, np.tile(of_positions[:, :1], (1, 4, 1)))
    assert np.array_equal(bottleneck.encode(alike[::-1]).rate, bottleneck.encode(alike).rate[::-1])
