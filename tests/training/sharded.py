"""Run by test_replicas: contrastive pre-training on JAX's virtual devices.

python sharded.py DEVICES FILE
"""

import os
import sys

devices, path = int(sys.argv[1]), sys.argv[2]
os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} "
    f"--xla_force_host_platform_device_count={devices}"
)

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_skeleton.applications import HaLPPretext  # noqa: E402
from keras_skeleton.applications import HiCLRPretext  # noqa: E402

keras.distribution.set_distribution(keras.distribution.DataParallel())
values = {}
for cls, arguments in (
    (HiCLRPretext, {"dropout_rate": 0.0, "mining_epoch": 1}),
    (HaLPPretext, {"streams": ("joint", "bone")}),
):
    keras.utils.set_random_seed(0)
    model = cls(**cls.tiny | arguments, seed=1)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    shape = (8, *model.encoder.input_form)
    clips = np.random.default_rng(1).normal(size=shape).astype("float32")
    history = model.fit(clips, batch_size=4, epochs=2, shuffle=False, verbose=0)
    values[f"{cls.__name__}/loss"] = history.history["loss"]
    for variable in model.weights:
        values[f"{cls.__name__}/{variable.path}"] = keras.ops.convert_to_numpy(
            variable.value
        )
np.savez(path, **values)
