"""Key encoders, queues and counters where several devices share a batch."""

import pathlib
import subprocess
import sys

import keras
import pytest


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute"
)
def test_two_devices_train_as_one():
    script = pathlib.Path(__file__).with_name("replicated.py")
    result = subprocess.run(
        [sys.executable, script], capture_output=True, text=True
    )
    assert result.stdout.endswith("equal\n"), result.stderr[-3000:]
