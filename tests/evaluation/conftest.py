import keras
import numpy as np
import pytest

from keras_skeleton.applications import MAMP
from keras_skeleton.datasets import Sequences


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


@pytest.fixture
def toy():
    """Thirty clips of three classes that lie apart, twelve of them for tests.

    Two of these are copies of training clips.
    """
    random = np.random.default_rng(7)
    labels = np.arange(30) % 3
    clips = []
    for label in labels:
        clip = random.normal(scale=0.15, size=(random.integers(9, 14), 20, 3))
        clip[..., label] += 1.0
        clips.append(clip)
    clips[20], clips[25] = clips[5], clips[1]
    return Sequences.from_arrays(
        clips,
        labels,
        skeleton="nw_ucla",
        class_names=["right", "up", "away"],
        splits={"xview": {"train": range(18), "test": range(18, 30)}},
        metadata={"camera": np.repeat([1, 2, 3], (9, 9, 12))},
    )
