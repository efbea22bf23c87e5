"""A2J: its network, inputs and training."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close

from keras_skeleton import losses
from keras_skeleton.applications import A2J
from keras_skeleton.applications import _resnet

SMALL = {**A2J.tiny, "input_shape": (1, 32, 32, 1)}


def torchvision_bottleneck(x, block):
    """The block by its definition, in inference mode."""

    def step(x, layer, relu):
        kernel = layer.convolution.kernel.value
        size, pad = kernel.shape[0], layer.dilation * (kernel.shape[0] // 2)
        x = ops.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        x = ops.conv(
            x,
            kernel,
            strides=layer.stride,
            padding="valid",
            dilation_rate=layer.dilation if size > 1 else 1,
        )
        norm = layer.norm
        scale = norm.gamma.value / ops.sqrt(
            norm.moving_variance.value + norm.epsilon
        )
        x = (x - norm.moving_mean.value) * scale + norm.beta.value
        return ops.relu(x) if relu else x

    x = ops.convert_to_tensor(x)
    y = step(step(x, block.narrow, True), block.convolution, True)
    y = step(y, block.widen, False)
    if block.shortcut is not None:
        x = step(x, block.shortcut, False)
    return ops.relu(x + y)


@pytest.mark.parametrize(
    ("stride", "dilation", "channels"), [(2, 1, 8), (1, 2, 16)]
)
def test_bottleneck(random, stride, dilation, channels):
    block = _resnet.Bottleneck(4, stride, dilation)
    x = random.normal(size=(2, 7, 6, channels)).astype("float32")
    block.build(x.shape)
    for variable in block.variables:
        variable.assign(random.uniform(0.5, 1.5, variable.shape))
    assert (block.shortcut is None) == (stride == 1)
    found = block(x)
    assert tuple(found.shape) == block.compute_output_shape(x.shape)
    assert_close(
        found, ops.convert_to_numpy(torchvision_bottleneck(x, block)), "block"
    )


@pytest.mark.once
def test_sizes_of_the_stages():
    found = _resnet.stages(keras.Input((64, 48, 3)), 4, (1, 1, 1, 2))
    assert [tuple(x.shape[1:]) for x in found] == [
        (16, 12, 16),
        (8, 6, 32),
        (4, 3, 64),
        (4, 3, 128),
    ]


@pytest.mark.once
def test_forms_of_input(random):
    crops = random.normal(size=(2, 1, 32, 32, 1)).astype("float32")
    plain = A2J(**SMALL, coordinates="crop")
    joints = plain.predict_on_batch(crops)
    camera = A2J(**SMALL)
    camera.set_weights(plain.get_weights())
    inputs = {
        "depth": crops,
        "box": np.tile(np.float32([10, 20, 64, 96]), (2, 1, 1)),
        "intrinsics": np.tile(
            np.float32([[80, 0, 40], [0, -80, 50], [0, 0, 1]]), (2, 1, 1)
        ),
    }
    found = camera.predict_on_batch(inputs)
    z = joints[..., 2] / 50
    assert_close(found[..., 2], z, "z")
    u = 10 + joints[..., 1] * 2
    v = 20 + joints[..., 0] * 3
    assert_close(found[..., 0], (u - 40) * z / 80, "x")
    assert_close(found[..., 1], (50 - v) * z / 80, "y")
    # Depth is taken three times, so that pictures of three channels fit.
    pictures = A2J(**{**SMALL, "input_shape": (1, 32, 32, 3)}, modality="video")
    pictures.set_weights(plain.get_weights())
    moved = pictures.predict_on_batch(
        {
            "video": np.repeat(crops, 3, axis=-1),
            "box": inputs["box"],
            "intrinsics": inputs["intrinsics"],
            "root_depth": np.full((2, 1, 1), 1.5, "float32"),
        }
    )
    assert_close(moved[..., 2], z + 1.5, "from the root")


@pytest.mark.once
def test_training_by_the_published_loss(random):
    keras.utils.set_random_seed(0)
    model = A2J(**SMALL)
    training = model.training_model()
    training.compile(
        keras.optimizers.Adam(1e-2),
        losses.AnchorToJointError(),
        jit_compile=keras.backend.backend() != "torch",
    )
    crops = random.normal(size=(4, 1, 32, 32, 1)).astype("float32")
    joints = random.uniform(4, 28, (4, 1, 15, 3)).astype("float32")
    joints[:, :, 3] = 0
    history = training.fit(crops, joints, epochs=20, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    ours = {id(variable) for variable in model.trainable_variables}
    assert {id(v) for v in training.trainable_variables} == ours


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (1, 30, 32, 1)}, "multiples of 16"),
        ({"input_shape": (32, 32, 1)}, "frames, rows, columns"),
        ({"input_shape": (1, 32, 32, 2)}, "one channel, or three"),
        ({"blocks": (1, 1, 1)}, "four positive numbers"),
        ({"depth_scale": 0.0}, "above 0"),
        ({"modality": "infrared"}, "'depth' or 'video'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        A2J(**{**SMALL, **arguments})
