"""Key encoders, queues and counters where several devices share a batch."""

import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

HERE = pathlib.Path(__file__).parent


def run(script, *arguments):
    result = subprocess.run(
        [sys.executable, HERE / script, *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert not result.returncode, result.stderr[-3000:]
    return result.stdout


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute"
)
@pytest.mark.parametrize("model", ["momentum_contrast", "hallucination"])
def test_two_replicas_train_as_one(model):
    assert run("replicated.py", model).endswith("equal\n")


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="keras.distribution"
)
def test_two_devices_train_as_one(tmp_path):
    """Batch statistics, queues, prototypes and masks are those of all."""
    found = {}
    for devices in (1, 2):
        path = tmp_path / f"{devices}.npz"
        run("sharded.py", devices, path)
        with np.load(path) as arrays:
            found[devices] = dict(arrays)
    assert found[1].keys() == found[2].keys()
    for key, expected in found[1].items():
        scale = max(np.abs(expected).max(initial=0), 1e-3)
        np.testing.assert_allclose(
            found[2][key] / scale, expected / scale, atol=1e-3, err_msg=key
        )
