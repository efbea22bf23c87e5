"""The losses with memory of ACLNet against those of the official code."""

import keras
import numpy as np
import pytest
from keras import ops
from support import GradientRecorder
from support import assert_close
from support import cases
from support import part

from keras_skeleton.training import ClassAffinity
from keras_skeleton.training import LabelledMemory
from keras_skeleton.training import StepModel
from keras_skeleton.training import affinity


class Step(StepModel):
    """A step on features that are trained, so that gradients reach them.

    Args:
        rows: Samples of a batch.
        projection: Layer from features to vectors.
        memory: `ClassAffinity` or `LabelledMemory`.
        width: Width of a feature.
    """

    def __init__(self, rows, projection, memory, width):
        super().__init__()
        self.features = self.add_weight(shape=(rows, width), name="features")
        self.projection = projection
        self.memory = memory
        self.built = True
        self.compile(GradientRecorder(learning_rate=1.0))

    def call(self, inputs):
        return inputs

    def objective(self, x, y, training):
        vectors = self.projection(self.features)
        # Batches are of the size of the features.
        labels = ops.reshape(x["labels"], (self.features.shape[0],))
        if isinstance(self.memory, ClassAffinity):
            losses, sums = self.memory.contrast(
                vectors, labels, x["scores"], self.epoch.value
            )
            return ops.mean(losses), {}, sums
        vectors = ops.normalize(vectors, axis=-1)
        losses = self.memory.contrast(vectors, labels)
        return ops.mean(losses), {}, (vectors, labels)

    def after_step(self, carried):
        if isinstance(self.memory, ClassAffinity):
            self.memory.update(carried, self.epoch.value)
        else:
            self.memory.push(carried[0], label=carried[1])


def take_step(model, inputs, features, epoch):
    """The loss of a step, and gradients by the names of the variables."""
    model.features.assign(features)
    logs = model.fit(
        inputs,
        batch_size=len(features),
        initial_epoch=epoch,
        epochs=epoch + 1,
        shuffle=False,
        verbose=0,
    ).history
    found = {
        variable.name: ops.convert_to_numpy(slot.value)
        for variable, slot in zip(
            model.trainable_variables, model.optimizer.gradients, strict=True
        )
    }
    return np.array(logs["loss"][0]), found


def projection_of(arrays):
    """The layer of the fixture, with its weights."""
    weight = arrays["state/cl_fc.weight"]
    layer = keras.layers.Dense(len(weight), name="projection")
    layer.build((None, weight.shape[1]))
    layer.set_weights([weight.T, arrays["state/cl_fc.bias"]])
    return layer


def assert_gradients(found, expected, what):
    compared = {
        "cl_fc.weight": found["kernel"].T,
        "cl_fc.bias": found["bias"],
        "feature": found["features"],
    }
    for key, value in expected.items():
        assert_close(compared[key], value, f"{what}, gradient of {key}", 2e-5)


def test_contrast_of_confused_classes(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("aclnet"), "inter_loss*.npz"
    ):
        given = config["args"]
        memory = ClassAffinity(
            given["n_class"],
            given["h_channel"],
            momentum=given.get("mom", 0.9),
        )
        memory.prototypes.assign(arrays["in/avg_f"].T)
        projection = projection_of(arrays)
        rows = len(arrays["in/feature_0"])
        model = Step(rows, projection, memory, given["n_channel"])
        # The official counter goes from 1, and is moved by validation.
        epoch = config["attrs"]["current_epoch"] - 1
        for number, event in enumerate(config["events"]):
            what = f"{name}, event {number}"
            expected = part(arrays, f"out/{number:02d}_")
            if event == "val":
                # Only the first pass after a step counts.
                epoch += number == 0 or config["events"][number - 1] != event
                assert expected["status"][0] == epoch + 1
                continue
            batch = event.removeprefix("train")
            inputs = {
                "labels": arrays[f"in/label_{batch}"].astype("int32"),
                "scores": arrays[f"in/logit_{batch}"],
            }
            loss, gradients = take_step(
                model, inputs, arrays[f"in/feature_{batch}"], epoch
            )
            assert_close(loss, expected["loss"], f"{what}, loss")
            assert_gradients(
                gradients, part(arrays, f"grad/{number:02d}/"), what
            )
            assert_close(
                memory.prototypes.value, expected["avg_f"].T, f"{what}, means"
            )
            for state, key in (
                (memory.bank, "neighborhood_bank"),
                (memory.members, "superclass_mask"),
            ):
                np.testing.assert_array_equal(
                    ops.convert_to_numpy(state.value), expected[key], what
                )


def test_contrast_with_a_margin(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("aclnet"), "intra_loss*.npz"
    ):
        given = config["args"]
        memory = LabelledMemory(
            given["memory"],
            given["h_channel"],
            given["temperature"],
            given["epsilon"],
        )
        projection = projection_of(arrays)
        models = {}
        for step in range(config["steps"]):
            what = f"{name}, step {step}"
            features = arrays[f"in/feature_{step}"]
            labels = arrays[f"in/label_{step}"].astype("int32")
            if len(features) not in models:
                models[len(features)] = Step(
                    len(features), projection, memory, given["n_channel"]
                )
            loss, gradients = take_step(
                models[len(features)], {"labels": labels}, features, 0
            )
            expected = part(arrays, f"out/{step:02d}_")
            assert_close(loss, expected["loss"], f"{what}, loss")
            assert_gradients(gradients, part(arrays, f"grad/{step:02d}/"), what)
            count = len(expected["label_bank"])
            assert_close(
                memory.newest(count), expected["feature_bank"], f"{what}, bank"
            )
            np.testing.assert_array_equal(
                ops.convert_to_numpy(memory.newest(count, "label")),
                expected["label_bank"],
                what,
            )


@pytest.mark.parametrize("pattern", ["affinity_*.npz"])
def test_superclasses(fixtures_dir, pattern):
    for name, config, arrays in cases(fixtures_dir("aclnet"), pattern):
        bank = ops.convert_to_tensor(arrays["in/neighborhood_bank"], "int32")
        neighbors, members = affinity.superclasses(bank)
        layer = ClassAffinity(config["n_class"], 4)
        found = {
            "neighbour_mask": neighbors,
            "superclass_mask": members,
            "superclass_size": ops.sum(ops.cast(members, "int32"), axis=1),
            "temperature": layer.temperature(members),
        }
        for key, expected in part(arrays, "out/").items():
            np.testing.assert_array_equal(
                ops.convert_to_numpy(found[key]), expected, f"{name}: {key}"
            )
