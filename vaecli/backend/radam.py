"""Rectified Adam as an optimiser of Keras, which has none."""

from typing import Any

import keras
from keras import ops


class RAdam(keras.optimizers.Optimizer):
    """RAdam (Liu et al. 2020, arXiv 1908.03265, algorithm 2).

        m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
        n_inf = 2 / (1 - b2) - 1;  n = n_inf - 2 t b2^t / (1 - b2^t)

        n > 4:  w -= lr r m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps),
                r^2 = (n - 4) (n - 2) n_inf / ((n_inf - 4) (n_inf - 2) n)
        else:   w -= lr m / (1 - b1^t)

    n is the effective number of gradients that v averages: with few of them v is not trusted. Differs from the paper
    in eps, which keeps the divisor away from zero.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: list[keras.Variable]) -> None:
        if not self.built:
            super().build(variables)
            self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        self.assign_add(m, (gradient - m) * (1 - self.beta_1))
        self.assign_add(v, (ops.square(gradient) - v) * (1 - self.beta_2))

        t = ops.cast(self.iterations + 1, "float64")  # in float32 n would be a small difference of large numbers
        left_1, left_2 = 1 - ops.power(self.beta_1, t), 1 - ops.power(self.beta_2, t)
        n_inf = 2 / (1 - self.beta_2) - 1
        n = n_inf - 2 * t * (1 - left_2) / left_2
        trusted = n > 4
        square = (n - 4) * (n - 2) * n_inf / ((n_inf - 4) * (n_inf - 2) * n)
        r = ops.sqrt(ops.where(trusted, square, ops.ones_like(n)))

        mean = m / ops.cast(left_1, m.dtype)
        root = ops.sqrt(v / ops.cast(left_2, v.dtype)) + self.epsilon
        step = ops.where(trusted, ops.cast(r, m.dtype) * mean / root, mean)
        self.assign_sub(variable, ops.cast(learning_rate, m.dtype) * step)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
