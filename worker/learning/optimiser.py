"""What the network learns by: AdamW whose rate may fall with depth, the loss, and how much each class weighs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from worker.learning.backend import keras
from worker.learning.config import FitConfig

_BETA_1: Final = 0.9
_BETA_2: Final = 0.999
_EPSILON: Final = 1e-7
_DECAYED: Final = "kernel"


class LayeredAdamW(keras.optimizers.Optimizer):  # type: ignore[misc]  # Keras is untyped
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) with a share of the rate for each variable.

    `shares` has one number for each variable that it is built with, in their order. Each variable counts its own
    steps: one that thaws late would otherwise begin with moments of zero taken for settled ones, and leap. Only
    kernels decay. All it remembers is in `variables`, so a checkpoint of them goes on exactly.
    """

    def __init__(
        self, learning_rate: float, *, weight_decay: float, shares: Sequence[float], accumulate: int = 1
    ) -> None:
        super().__init__(
            learning_rate,
            gradient_accumulation_steps=accumulate if accumulate > 1 else None,
            name="layered_adamw",
        )
        self._decay = weight_decay
        self._shares = tuple(shares)

    def build(self, variables: list[Any]) -> None:
        """Makes room for two moments and a count of steps for each variable."""
        if self.built:
            return
        super().build(variables)
        self._first, self._second = self.add_optimizer_variables(variables, ["first_moment", "second_moment"])
        self._steps = [self.add_variable((), dtype="float32", name="steps") for _ in variables]
        # By what they are called here: on several devices each copy of a variable has a name of its own.
        self._decays = [each.name.rpartition("/")[2].startswith(_DECAYED) for each in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        ops = keras.ops
        place = self._get_variable_index(variable)
        first, second, steps = self._first[place], self._second[place], self._steps[place]
        rate = ops.cast(learning_rate, variable.dtype) * self._shares[place]
        gradient = ops.cast(gradient, variable.dtype)
        self.assign_add(steps, 1.0)
        if self._decay and self._decays[place]:
            self.assign_sub(variable, variable * (rate * self._decay))
        self.assign_add(first, (gradient - first) * (1 - _BETA_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1 - _BETA_2))
        unbiased = ops.sqrt(1 - ops.power(_BETA_2, steps)) / (1 - ops.power(_BETA_1, steps))
        self.assign_sub(variable, first * (rate * unbiased) / (ops.sqrt(second) + _EPSILON))


def layers_with_weights(network: Any) -> list[Any]:
    """From the stem to the head."""
    return [layer for layer in network.layers if layer.weights]


def depth_shares(network: Any, stem_share: float) -> list[float]:
    """For each trainable variable its share of the rate: `stem_share` at the stem, 1 at the head, geometric between."""
    layers = [layer for layer in layers_with_weights(network) if layer.trainable_variables]
    last = max(1, len(layers) - 1)
    share_of = {
        id(variable): stem_share ** ((last - depth) / last)
        for depth, layer in enumerate(layers)
        for variable in layer.trainable_variables
    }
    return [share_of[id(variable)] for variable in network.trainable_variables]


def compile_network(network: Any, config: FitConfig) -> None:
    """Gives `network` its loss and an optimiser that is built; all of its layers learn from now on."""
    network.trainable = True
    network.compile(
        optimizer=LayeredAdamW(
            config.learning_rate,
            weight_decay=config.weight_decay,
            shares=depth_shares(network, config.discriminative_rate),
            accumulate=config.accumulate,
        ),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
        metrics=["accuracy"],
        # XLA on the CPU has no fast convolution: "auto" trained EfficientNet-Lite0 twelve times slower.
        jit_compile=False,
    )
    network.optimizer.build(network.trainable_variables)


def quicken_norms(network: Any, steps: int) -> None:
    """Lets the averages of batch norms follow within an epoch of `steps` steps or so.

    A memory of 0.999 would lag behind on a small set.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(0.99, max(0.9, 1 - 3 / steps))


def class_weights(class_indices: npt.NDArray[np.int64], class_count: int) -> dict[int, float]:
    """By class, from the classes of the training images: each class weighs the same, an image 1 on the average."""
    counts = np.bincount(class_indices, minlength=class_count)
    return {place: float(counts.sum() / (class_count * count)) for place, count in enumerate(counts)}
