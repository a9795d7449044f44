"""The one place that imports TensorFlow and Keras, so that both start quietly and in the right order."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf


def to_numpy(value: Any) -> npt.NDArray[Any]:
    """A copy of a variable or tensor that later steps do not change."""
    return np.array(tf.convert_to_tensor(value).numpy())


__all__ = ["keras", "tf", "to_numpy"]
