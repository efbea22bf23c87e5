"""Stopping a training at any moment and going on as if nothing happened."""

import json
import os
import pathlib
import random
import zipfile

import keras
import numpy as np
from keras import ops

from keras_skeleton._types import PathLike


class ResumeTraining(keras.callbacks.Callback):
    """Saves the whole state of a training each epoch and resumes from it.

    The state is every variable of the model and the optimizer: weights,
    statistics, momentum encoders, queues, moments, schedules and, unlike in
    `keras.callbacks.BackupAndRestore`, the state of all random generators,
    the global ones of Python, NumPy and PyTorch included: `fit` shuffles and
    drops out with these.
    It is written beside the old file and renamed, so a kill at any moment,
    also during the writing, leaves a whole state behind. An epoch that was
    cut off starts again from its beginning; the weights at the end are those
    of a training that was never stopped.

    The order and augmentation of the data must then depend on the epoch only.
    `Sequences.to_keras` and `Sequences.to_dataset` see to that: pass the
    result as `data` too. Other data sources repeat exactly when they are not
    shuffled.

    The file is kept when training ends; calling `fit` again with more epochs
    goes on from there. Delete it to start anew.

    Args:
        path: File to keep the state in; its folder is made.
        data: The training data, if it has a method `set_epoch(epoch)`.
        verbose: Whether to say so when a training is resumed.

    Raises:
        ValueError: At the start of training, if the file is damaged or comes
            from another model or optimizer.

    Example:

    ```python
    batches = sequences.to_keras(transforms, shuffle=True, seed=1)
    resume = ResumeTraining("runs/pretext.npz", data=batches)
    model.fit(batches, epochs=100, callbacks=[resume])
    ```
    """

    def __init__(self, path: PathLike, data=None, verbose=1):
        super().__init__()
        self.path = pathlib.Path(path)
        self.data = data
        self.verbose = verbose

    def on_train_begin(self, logs=None):
        self.model.optimizer.build(self.model.trainable_variables)
        if not self.path.exists():
            return
        epoch = self._restore()
        # `fit` reads this attribute after this hook, as it does for
        # `keras.callbacks.BackupAndRestore`.
        self.model._initial_epoch = epoch
        if self.verbose:
            print(f"Resuming after epoch {epoch} from {self.path}")

    def on_epoch_begin(self, epoch, logs=None):
        if hasattr(self.data, "set_epoch"):
            self.data.set_epoch(epoch)

    def on_epoch_end(self, epoch, logs=None):
        # Of a training that went wrong, the last good state is kept.
        if np.isfinite((logs or {}).get("loss", 0.0)):
            self._save(epoch + 1)

    def _variables(self):
        return [*self.model.variables, *self.model.optimizer.variables]

    def _save(self, epoch):
        variables = self._variables()
        head = {
            "epoch": epoch,
            "backend": keras.backend.backend(),
            "shapes": [list(variable.shape) for variable in variables],
            "random": random.getstate(),
        }
        arrays = {
            str(i): ops.convert_to_numpy(variable.value)
            for i, variable in enumerate(variables)
        }
        kind, keys, *numbers = np.random.get_state()
        head["numpy_random"] = [kind, None, *numbers]
        arrays["numpy_random"] = keys
        if keras.backend.backend() == "torch":
            from keras_skeleton.training._step_torch import get_random_state

            arrays["torch_random"] = get_random_state()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(self.path.name + ".part")
        with open(unfinished, "wb") as file:
            np.savez(file, head=np.array(json.dumps(head)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self.path)

    def _restore(self):
        variables = self._variables()
        try:
            with np.load(self.path, allow_pickle=False) as file:
                head = json.loads(str(file["head"]))
                arrays = [file[str(i)] for i in range(len(head["shapes"]))]
                numpy_random = head["numpy_random"]
                numpy_random[1] = file["numpy_random"]
                torch_random = file.get("torch_random")
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{self.path} is not a whole saved training state ({error}). "
                "Delete it to start the training anew."
            ) from error
        shapes = [list(variable.shape) for variable in variables]
        if shapes != head["shapes"]:
            raise ValueError(
                f"{self.path} was saved from another model or optimizer: it "
                f"holds {len(head['shapes'])} variables, this training has "
                f"{len(shapes)}, or their shapes differ. Use the same model "
                "and optimizer, or another path."
            )
        if head["backend"] != keras.backend.backend():
            raise ValueError(
                f"{self.path} was saved on the {head['backend']} backend, "
                f"whose random numbers {keras.backend.backend()} does not "
                "draw. Resume on the same backend, or use another path."
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        version, numbers, gauss = head["random"]
        random.setstate((version, tuple(numbers), gauss))
        np.random.set_state(tuple(numpy_random))
        if torch_random is not None:
            from keras_skeleton.training._step_torch import set_random_state

            set_random_state(torch_random)
        return head["epoch"]
