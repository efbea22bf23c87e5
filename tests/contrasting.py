"""What the parity tests of contrastive pre-training share."""

import functools

import keras
from keras import ops
from support import GradientRecorder
from support import assert_close
from support import assert_within_rounding
from support import gradient_errors
from support import gradients
from support import part

from keras_skeleton.weights import load_official
from keras_skeleton.weights.conversion import convert_array
from keras_skeleton.weights.conversion import official_names
from keras_skeleton.weights.conversion import variables_of


class OneBatch(keras.utils.PyDataset):
    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return (self.batch,)


def assert_tensors(name, model, expected, tolerance=1e-5):
    """Compares variables to official tensors."""
    paths = {official: path for path, official in official_names(model).items()}
    values = variables_of(model)
    compared = [key for key in expected if not key.endswith("batches_tracked")]
    assert compared
    for key in compared:
        assert_close(
            ops.cast(values[paths[key]].value, "float32"),
            convert_array(model, key, expected[key]),
            f"{name}: {key}",
            tolerance,
        )


def recorded(model):
    """The gradients of the last step, by path."""
    return {
        variable.path: ops.convert_to_numpy(slot.value)
        for variable, slot in zip(
            model.trainable_variables, model.optimizer.gradients, strict=True
        )
    }


def _objective(model, views, training):
    return model.objective(views, None, training)[0]


def assert_pretext_step(name, model, config, arrays, views):
    """Compares a whole step: loss, gradients, keys, statistics, queue.

    In the fixtures of mode `"eval"`, normalizations use their running
    statistics also in the step.

    Args:
        name: Name of the case.
        model: The pretext model.
        config: Configuration of the fixture.
        arrays: All arrays of the fixture.
        views: Dict of the views, or of what the model takes in their place.
    """
    training = config["mode"] == "train"
    function = functools.partial(_objective, training=training)
    state, out = part(arrays, "state/"), part(arrays, "out/")
    model.compile(GradientRecorder(learning_rate=1.0))

    def errors_of(views):
        load_official(model, state)
        if training:
            loss = model.fit(OneBatch(views), verbose=0).history["loss"][0]
            found = recorded(model)
        else:
            model.before_step()
            loss, found = gradients(model, function, views)
        assert_close(ops.array(loss), out["loss"], f"{name}: loss")
        expected = part(arrays, "grad/")
        errors = gradient_errors(model, found, expected)
        return {key: error / 1e-4 for key, error in errors.items()}

    assert_within_rounding(name, views, errors_of)
    if not training:
        model.after_step(model.embed_keys(views["key"], training))
    keys_after = part(out, "key_after/").items()
    expected = {
        **{
            key if key.startswith("encoder_k") else f"encoder_k.{key}": array
            for key, array in keys_after
        },
        **part(out, "state_after/"),
        **{
            key.removesuffix("_after"): array
            for key, array in out.items()
            if key.startswith("queue") and key.endswith("_after")
        },
    }
    assert_tensors(name, model, expected)
