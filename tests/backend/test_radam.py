import keras
import numpy as np

from vaecli.backend.radam import RAdam


def reference(weight, gradients, *, rate, beta_1, beta_2, epsilon):
    """Algorithm 2 of arXiv 1908.03265 in float64; the weight after each step, and whether it was rectified."""
    m, v = np.zeros_like(weight), np.zeros_like(weight)
    longest = 2 / (1 - beta_2) - 1
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        mean = m / (1 - beta_1**t)
        length = longest - 2 * t * beta_2**t / (1 - beta_2**t)
        if length > 4:
            r = np.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
            weight = weight - rate * r * mean / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        else:
            weight = weight - rate * mean
        yield weight, length > 4


def test_the_steps_of_the_paper_before_and_after_it_trusts_the_variance():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4))
    gradients = [rng.normal(size=(3, 4)) * 10.0 ** -(step % 4) for step in range(20)]
    keys = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    expected = list(reference(start, gradients, rate=0.01, **keys))
    assert [trusted for _, trusted in expected] == 4 * [False] + 16 * [True]
    optimizer, variable = RAdam(0.01, **keys), keras.Variable(start, dtype="float32")
    for gradient, (weight, _) in zip(gradients, expected, strict=True):
        optimizer.apply([keras.ops.cast(gradient, "float32")], [variable])
        np.testing.assert_allclose(variable.numpy(), weight, rtol=1e-5, atol=1e-6)  # float32


def test_it_is_made_again_from_its_config():
    made = RAdam(0.02, beta_1=0.8, beta_2=0.99, epsilon=1e-3)
    assert RAdam.from_config(made.get_config()).get_config() == made.get_config()
