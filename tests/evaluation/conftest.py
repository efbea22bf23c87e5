import keras
import numpy as np
import pytest

from keras_skeleton.applications import MAMP


@pytest.fixture
def tiny():
    """Arguments of a small MAMP."""
    return {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "nw_ucla",
        "hidden_dim": 8,
        "num_layers": 1,
        "num_heads": 2,
        "head_dim": 6,
    }


@pytest.fixture
def encoder(tiny):
    keras.utils.set_random_seed(0)
    return MAMP(**tiny)


@pytest.fixture
def clips():
    """Ten clips of the tiny shape and their labels; two classes."""
    random = np.random.default_rng(0)
    values = random.normal(size=(10, 1, 8, 20, 3)).astype("float32")
    return values, np.arange(10) % 2
