"""The score-function estimator (Williams 1992; baselines as in Mnih and Gregor 2014, arXiv 1402.0030)."""

import tensorflow as tf

from vaecli.backend.random import fold_in
from vaecli.estimators.estimator import Estimate, Objective, State, estimator
from vaecli.estimators.sampling import sample, with_logits_gradient

DECAY = 0.99  # of the baseline, which covers about a hundred steps


def initial_state(num_latents: int, num_classes: int, seed: tf.Tensor) -> State:
    """A moving average of the loss, started at 0, and the number of steps it has seen."""
    del num_latents, num_classes, seed
    return {"average": tf.zeros(()), "steps": tf.zeros(())}


@estimator(initial_state=initial_state, exact_for="every", learns_from="values", fixed_by_code=True)
def reinforce(objective: Objective, logits: tf.Tensor, *, state: State, seed: tf.Tensor) -> Estimate:
    """Needs no gradient of the loss in z; exact in expectation for every loss, and very noisy.

        b        = the moving average of the losses of earlier steps
        dlogits  = (f(code) - b) (one_hot - p),   p = softmax(logits)

    One baseline for all images, without a network; the first step has none.

    Args:
        objective: z [B, L, K] -> [B].
        logits: [B, L, K].
    """
    one_hot = sample(logits, seed=fold_in(seed, 0))
    loss = objective(one_hot, one_hot)
    # started at 0, the average is too small by this factor (as in Adam)
    baseline = tf.math.divide_no_nan(state["average"], 1 - tf.pow(DECAY, state["steps"]))
    gradient = (loss - baseline)[:, None, None] * (one_hot - tf.nn.softmax(logits))
    average = DECAY * state["average"] + (1 - DECAY) * tf.reduce_mean(tf.stop_gradient(loss))
    return Estimate(
        with_logits_gradient(loss, logits, gradient), one_hot, {"average": average, "steps": state["steps"] + 1}
    )
