"""A training that is killed and resumed, against one that is not."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_skeleton.applications import MAMP
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import ResumeTraining

ROOT = pathlib.Path(__file__).parents[2]

SCRIPT = """
import sys, time
import keras, numpy as np
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.datasets import Sequences
from keras_skeleton.layers.augmentation import CropResize, RandomRotation
from keras_skeleton.training import LayerwiseAdamW, ResumeTraining
from keras_skeleton.training import warmup_cosine

state, result, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
keras.utils.set_random_seed(5)
random = np.random.default_rng(0)
clips = [random.normal(size=(20 + i % 5, 20, 3)) for i in range(12)]
sequences = Sequences.from_arrays(clips, np.arange(12) % 3, skeleton="nw_ucla")
batches = sequences.to_keras(
    [CropResize(8, (0.5, 1.0), min_frames=8), RandomRotation(0.3)],
    batch_size=4, shuffle=True, seed=2, labels=False,
)
model = MAMPPretext(
    input_shape=(1, 8, 20, 3), skeleton="nw_ucla", hidden_dim=16,
    num_layers=2, num_heads=2, decoder_dim=16, decoder_layers=1,
    drop_path_rate=0.2, dropout_rate=0.1,
)
model.compile(
    LayerwiseAdamW(warmup_cosine(1e-2, warmup_steps=3, total_steps=18))
)

class Slow(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        print("step", flush=True)
        time.sleep(pause)

model.fit(
    batches, epochs=6, verbose=0,
    callbacks=[ResumeTraining(state, data=batches), Slow()],
)
np.savez(result, *[keras.ops.convert_to_numpy(v) for v in model.weights])
"""


def start(tmp_path, state, result, pause=0.0):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [
            sys.executable,
            script,
            tmp_path / state,
            tmp_path / result,
            str(pause),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_killed_training_ends_with_the_same_weights(tmp_path):
    process = start(tmp_path, "whole", "whole.npz")
    assert "Resuming" not in process.communicate()[0]
    assert process.returncode == 0

    # 3 steps make an epoch: the 8th is in the middle of the third.
    process = start(tmp_path, "cut", "cut.npz", pause=0.2)
    for _ in range(8):
        assert process.stdout.readline() == "step\n"
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "cut.npz").exists()

    process = start(tmp_path, "cut", "cut.npz")
    output = process.communicate()[0]
    assert process.returncode == 0
    assert "Resuming after epoch 2" in output
    with (
        np.load(tmp_path / "whole.npz") as whole,
        np.load(tmp_path / "cut.npz") as cut,
    ):
        assert len(whole.files) > 30
        for name in whole.files:
            np.testing.assert_array_equal(whole[name], cut[name])


def tiny_classifier(classes=3):
    model = MAMP(
        input_shape=(1, 8, 20, 3),
        skeleton="nw_ucla",
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        head_dim=4,
        classes=classes,
    )
    model.compile("adam", SmoothedCrossentropy())
    return model


CLIPS = np.zeros((2, 1, 8, 20, 3), "float32")


def test_damaged_state_is_an_error_and_stays(tmp_path):
    path = tmp_path / "state"
    model = tiny_classifier()
    model.fit(CLIPS, np.zeros(2), verbose=0, callbacks=[ResumeTraining(path)])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="not a whole saved training state"):
        model.fit(
            CLIPS, np.zeros(2), verbose=0, callbacks=[ResumeTraining(path)]
        )
    assert len(path.read_bytes()) == len(content) // 2


def test_state_of_another_model_is_an_error(tmp_path):
    path = tmp_path / "state"
    resume = ResumeTraining(path)
    tiny_classifier().fit(CLIPS, np.zeros(2), verbose=0, callbacks=[resume])
    with pytest.raises(ValueError, match="another model"):
        tiny_classifier(classes=4).fit(
            CLIPS, np.zeros(2), verbose=0, callbacks=[ResumeTraining(path)]
        )


def test_finished_training_goes_on_with_more_epochs(tmp_path):
    path = tmp_path / "state"
    model = tiny_classifier()
    for epochs, trained in ((2, 2), (2, 0), (3, 1)):
        history = model.fit(
            CLIPS,
            np.zeros(2),
            epochs=epochs,
            verbose=0,
            callbacks=[ResumeTraining(path, verbose=0)],
        )
        assert len(history.epoch) == trained
    assert keras.backend.backend() in str(np.load(path)["head"])
