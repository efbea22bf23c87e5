"""Anchors, their votes and the losses of both publications."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import cases
from support import gradients

from keras_skeleton import layers
from keras_skeleton import losses

SYSTEM = "unipose"


class Votes(keras.layers.Layer):
    """A trainable array of votes, to take gradients of."""

    def __init__(self, arrays, **kwargs):
        super().__init__(**kwargs)
        self.arrays = arrays

    def build(self, input_shape):
        self.votes = {
            name: self.add_weight(
                shape=array.shape,
                initializer=lambda *_, array=array, **__: ops.array(array),
                name=name,
            )
            for name, array in self.arrays.items()
        }

    def call(self, inputs):
        return {name: v.value + 0 for name, v in self.votes.items()}


def check_gradients(name, arrays, loss):
    """Gradients of a loss by what anchors say."""
    # Names of the losses' first letters would do; paths end in the keys.
    votes = {k: arrays[f"in/{k}"] for k in keys(arrays)}
    inputs = keras.Input((1,))
    model = keras.Model(inputs, Votes(votes, name="votes")(inputs))
    count = len(next(iter(votes.values())))
    _, found = gradients(
        model, lambda model, x: loss(model(x)), np.zeros((count, 1))
    )
    for key in votes:
        assert_close(
            found[f"votes/{key}"], arrays[f"grad/{key}"], f"{name}: {key}"
        )


def keys(arrays):
    return [k.removeprefix("grad/") for k in arrays if k.startswith("grad/")]


def test_votes_in_the_plane(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir(SYSTEM), "a2j_anchor_decode_loss*.npz"
    ):
        places = config["P_h"] or config["P_default"]
        across = config["P_w"] or config["P_default"]
        rows, columns = config["shape"]
        grid = layers.anchor_grid(
            rows, columns, config["stride"], places, across
        )
        np.testing.assert_array_equal(grid, arrays["out/anchors"])
        layer = layers.AnchorVotes(
            rows, columns, config["stride"], places, column_places=across
        )
        target = arrays["in/target"]
        error = losses.AnchorToJointError(
            spatial_weight=config["spatial"],
            joint_weight=config["reg_loss_factor"],
        )

        def loss(votes, layer=layer, error=error, target=target):
            return error(
                target,
                layer(
                    votes["classification"],
                    votes["regression"],
                    votes["depth_regression"],
                ),
            )

        votes = layer(*(arrays[f"in/{key}"] for key in keys(arrays)))
        assert_close(votes[..., :3], arrays["out/keypoints"], name)
        assert_close(votes[..., :2], arrays["out/keypoints_2d"], name)
        for value, key in zip(
            error.parts(target, votes),
            ("anchor_loss", "regression_loss"),
            strict=True,
        ):
            expected = arrays[f"out/{key}"].reshape(())
            assert_close(ops.mean(value), expected, f"{name}: {key}")
        assert_close(error(target, votes), arrays["out/total"], name)
        check_gradients(name, arrays, loss)


def test_votes_in_space(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir(SYSTEM), "a2j3d_anchor_decode_loss*.npz"
    ):
        preset = config["preset"]
        depths = preset["d_center"] + preset["stride_d"] * np.arange(
            preset["steps_d"]
        )
        steps = preset["steps_hw"]
        volume = layers.anchor_volume(
            steps, steps, depths, preset["stride"], preset["x_center"]
        )
        np.testing.assert_array_equal(volume, arrays["out/all_anchors"])
        # Joints that are not valid have no label.
        target = arrays["in/target"] * arrays["in/joint_valid"][..., None]
        error = losses.AnchorVolumeError(
            config["spatialFactor"], config["reg_loss_factor"]
        )

        def votes(weights, offsets, anchors=arrays["in/anchors"]):
            shape = (*weights.shape, 3)
            return layers.anchor_votes(
                weights, ops.reshape(offsets, shape), anchors
            )

        def together(joints, alone):
            return ops.swapaxes(ops.concatenate([joints, alone], -1), 0, 1)

        joints, alone = votes(arrays["in/weights"], arrays["in/offsets"])
        assert_close(joints, arrays["out/keypoints"], name)
        assert_close(alone, arrays["out/anchor_expectation"], name)
        found = together(joints, alone)
        for value, key in zip(
            error.parts(target, found),
            ("anchor_loss", "regression_loss"),
            strict=True,
        ):
            assert_close(ops.mean(value), arrays[f"out/{key}"], f"{name} {key}")
        assert_close(error(target, found), arrays["out/total"], name)
        check_gradients(
            name,
            arrays,
            lambda said, error=error, target=target: error(
                target, together(*votes(said["weights"], said["offsets"]))
            ),
        )


@pytest.mark.once
def test_losses_of_joints():
    true = np.full((1, 2, 3), 10.0)
    found = np.zeros((1, 2, 6))
    found[..., :] = (*(12, 10, 11), *(10, 10, 0))
    # The row is off by 2 (smoothed: 1.5), the depth by 1.
    raw = losses.AnchorToJointError()
    assert float(raw(true, found)) == pytest.approx(3 * (0.5 * 0.75 + 1))
    smooth = losses.AnchorToJointError("smooth", joint_weight=1)
    assert float(smooth(true, found)) == pytest.approx(0.375 + 1 / 6)
    again = losses.AnchorToJointError.from_config(smooth.get_config())
    assert again.get_config() == smooth.get_config()
    # A joint without a label is left out.
    known = float(raw(true, found))
    true[0, 1] = 0
    found[0, 1] = 50
    assert float(raw(true, found)) == pytest.approx(known)
    assert float(raw(0 * true, found)) == 0
    with pytest.raises(ValueError, match="training_model"):
        raw(true, true)
    with pytest.raises(ValueError, match="depth='soft'"):
        losses.AnchorToJointError("soft")


@pytest.mark.once
def test_layers_survive_serialisation():
    for layer, shapes in (
        (layers.AnchorMaps(3, 2), [(4, 5, 6, 96)]),
        (
            layers.AnchorVotes(2, 3, 8, (1, 5), 2, column_places=(2, 6)),
            [(4, 24, 7), (4, 24, 7, 2), (4, 24, 7)],
        ),
        (
            layers.CropToCamera(8, 16, 25.0),
            [(2, 3, 7, 3), (2, 3, 4), (2, 3, 3)],
        ),
    ):
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        inputs = [np.ones(shape, "float32") for shape in shapes]
        outputs = again(*inputs)
        assert tuple(outputs.shape) == tuple(
            layer.compute_output_shape(*shapes)
        )


def test_from_the_crop_to_the_camera():
    layer = layers.CropToCamera(8, 16, depth_scale=50)
    joints = np.array([[[4.0, 8.0, 100.0]]])
    box = np.array([[100.0, 50, 32, 40]])
    intrinsics = np.array([[[200.0, 0, 160], [0, -200, 120], [0, 0, 1]]])
    # Column 100 + 8 * 32 / 16 = 116, row 50 + 4 * 40 / 8 = 70, 2 m away.
    found = layer(joints, box, intrinsics)
    assert_close(found, np.array([[[-0.44, 0.5, 2.0]]]), "metres")
    deeper = layer(joints, box, intrinsics, np.array([[1.0]]))
    assert_close(deeper, np.array([[[-0.66, 0.75, 3.0]]]), "from the root")
