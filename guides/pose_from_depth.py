# %% [markdown]
"""
# Poses from depth

From depth maps to skeletons to the name of an action, without a single 3D
label. As in UniPose, a network of point clouds learns from 2D joints, from the
depths measured at them and from what bodies are like; what it finds teaches a
network of depth maps; and a recogniser learns from the skeletons that this one
finds. Persons and pictures are generated, so nothing is downloaded. It takes
about three minutes on two cores; with `KERAS_SKELETON_SHORT=1` it only shows
that everything runs.

    python guides/pose_from_depth.py [FOLDER]
"""

# %%
import os
import pathlib
import sys

import keras
import numpy as np

import keras_skeleton as ks
from keras_skeleton.datasets import clouds as point_clouds
from keras_skeleton.datasets import depth as depth_maps
from keras_skeleton.datasets import synthetic
from keras_skeleton.layers.augmentation import Center

short = os.environ.get("KERAS_SKELETON_SHORT") == "1"
output = pathlib.Path(
    sys.argv[1] if len(sys.argv) > 1 else "runs/pose_from_depth"
)
output.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)
random = np.random.default_rng(0)

# %% [markdown]
"""
## What a depth camera sees

Clips of four actions, twelve frames of each drawn as depth maps with a noise
of 1 cm. The skeletons that moved the figure are kept for measuring only.
`person` says which pixels show somebody; in real scenes
`clouds.clean_person` finds that out.
"""

# %%
FRAMES, POINTS, CROP = 12, 256, 64
ACTIONS = ["wave one hand", "clap", "kick", "bow"]
skeleton = ks.skeletons.get("itop15")
camera = synthetic.Camera(96, 96)
data = synthetic.load_data(
    num_clips=12 if short else 160,
    classes=ACTIONS,
    skeleton="kinect20",
    num_subjects=12 if short else 40,
    noise=0,
)
to_itop = ks.skeletons.mapping("kinect20", skeleton)


def film(sequences):
    """Depth maps of the persons alone, true joints and classes of all clips."""
    seen = synthetic.film(sequences, FRAMES, camera, noise=0.01)
    depth = np.where(seen["person"], seen["depth"], 0)
    joints = to_itop.apply(seen["skeletons"][:, 0])
    return depth, joints, sequences.labels


train, test = map(film, data.split("xsub"))
print("depth maps (clips, frames, rows, columns):", train[0].shape)

# %% [markdown]
"""
## Points and 2D joints

The pixels of the person become a cloud in its own box, with normals
(`clouds.prepare_clouds`). The 2D joints stand for those that an estimator
finds in colour pictures of the same camera: true places, at random half a
pixel of the depth map off. The depth map says how far away the skin is there.
"""

# %%


def make_clouds(depth):
    """Inputs of a network of points, clips of six frames."""
    depth = depth.reshape(-1, 96, 96)
    found = point_clouds.prepare_clouds(
        point_clouds.depth_clouds(depth, depth > 0, camera.intrinsics),
        POINTS,
        (64, 16),
        16,
    )
    return {
        name: array.reshape(-1, 6, *array.shape[1:])
        for name, array in found.items()
    }


def project(joints):
    """Columns and rows of joints in the picture."""
    return camera.project(joints)[..., :2]


train_clouds, test_clouds = make_clouds(train[0]), make_clouds(test[0])
keypoints = project(train[1]).reshape(-1, 15, 2)
keypoints = keypoints + random.normal(0, 0.5, keypoints.shape)
depths = depth_maps.depth_at(train[0].reshape(-1, 96, 96), keypoints, radius=1)
clips = {
    **train_clouds,
    "keypoints": keypoints.reshape(-1, 6, 15, 2).astype("float32"),
    "depths": depths.reshape(-1, 6, 15),
}
clips["intrinsics"] = np.tile(camera.intrinsics, (len(clips["depths"]), 1, 1))

# %% [markdown]
"""
## A network of points learns without 3D labels

Its joints must lie on the rays through the 2D joints, as far behind the skin
as they do in a body or farther, where something covers them (the term
`depth`), move smoothly, and have bones of equal length on both sides.
"""

# %%
cloud_network = ks.applications.UniPose(
    input_shape=(6, POINTS, 6),
    skeleton=skeleton,
    num_stages=1,
    num_centers=(64, 16),
    num_neighbors=16,
    abstraction_widths=((16, 16, 32), (32, 32, 64), (64, 128)),
    propagation_widths=((64,), (64, 32), (32, 32)),
    head_dim=32,
    num_candidates=16,
    dropout_rate=0.0,
)
training = ks.applications.UniPoseTraining(
    cloud_network, term_weights={"length": 0, "depth": 3}
)
epochs = 1 if short else 24
training.compile(
    keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(
            1e-2, epochs * -(-len(clips["depths"]) // 4)
        ),
        epsilon=1e-8,
    )
)
training.fit(clips, batch_size=4, epochs=epochs, verbose=2)


def measure(found, joints, name):
    """Prints how far joints are off."""
    joints = joints.reshape(-1, 15, 3)
    found = found.reshape(joints.shape)
    result = ks.evaluation.measure_poses(joints, found, skeleton)
    for what, score in result["scores"].items():
        print(f"{name}: {what} {score}")
    return result


pseudo = cloud_network.predict(train_clouds, verbose=0)
of_clouds = cloud_network.predict(test_clouds, verbose=0)
measure(of_clouds, test[1], "clouds")

# %% [markdown]
"""
## Which teaches a network of depth maps

A2J sees a crop of the depth map. It learns from the joints that the network
of points found in the training clips: a plain `fit`.
"""

# %%


def make_crops(depth):
    """Crops, their boxes and the numbers of the camera."""
    depth = depth.reshape(-1, 96, 96)
    boxes = depth_maps.mask_boxes(depth > 0, margin=0.2)
    crops = depth_maps.crop_depth(depth, boxes, CROP)
    crops = np.where(crops > 0, (crops - mean) / deviation, 0)
    return {
        "depth": crops[:, None].astype("float32"),
        "box": boxes[:, None],
        "intrinsics": np.tile(camera.intrinsics, (len(boxes), 1, 1)),
    }


mean, deviation = depth_maps.depth_statistics(train[0])
train_crops, test_crops = make_crops(train[0]), make_crops(test[0])
depth_network = ks.applications.A2J(
    input_shape=(1, CROP, CROP, 1),
    skeleton=skeleton,
    hidden_dim=16,
    blocks=(1, 1, 1, 1),
    head_dim=32,
    head_layers=1,
)
lifting = depth_network.training_model()
epochs = 1 if short else 10
lifting.compile(
    keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(
            2e-3, epochs * -(-len(train_crops["box"]) // 32)
        )
    ),
    ks.losses.AnchorToJointError(),
)
labels = depth_maps.joints_in_crop(
    pseudo.reshape(-1, 1, 15, 3),
    train_crops["box"],
    camera.intrinsics,
    CROP,
)
# From the middle of all depths on, rather than from 0.
bias = depth_network.get_layer("depths_output").bias
bias.assign(np.full(bias.shape, labels[..., 2].mean(), "float32"))
lifting.fit(
    train_crops["depth"], labels, batch_size=32, epochs=epochs, verbose=2
)
result = ks.evaluation.evaluate_poses(
    depth_network, test_crops, test[1].reshape(-1, 1, 15, 3)
)
print(result)

# %% [markdown]
"""
## From skeletons to a label

The recogniser knows the training clips as the depth network sees them, and
the names of their actions.
"""

# %%
center = Center(skeleton=skeleton)


def make_clips(crops):
    """Clips `(N, 1, T, V, 3)` of what the depth network finds."""
    found = depth_network.predict(crops, batch_size=64, verbose=0)
    return center(found.reshape(-1, 1, FRAMES, 15, 3))


recogniser = ks.applications.STGCN(
    input_shape=(1, FRAMES, 15, 3),
    skeleton=skeleton,
    classes=len(ACTIONS),
    blocks=((1, 1), (1, 1), (2, 2)),
    output_dim=64,
)
recogniser.compile(
    keras.optimizers.Adam(5e-3),
    ks.losses.SmoothedCrossentropy(0.1),
    metrics=["accuracy"],
)
recogniser.fit(
    make_clips(train_crops),
    train[2],
    batch_size=16,
    epochs=1 if short else 20,
    verbose=0,
)
test_clips = make_clips(test_crops)
_, accuracy = recogniser.evaluate(test_clips, test[2], verbose=0)
print(f"actions recognised: {100 * accuracy:.1f} % of {len(test[2])} clips")

# %% [markdown]
"""
## Pictures

Yellow is found and green true; in space, the brown figure is the one found.
"""

# %%
clip = 1
found = depth_network.predict(test_crops, batch_size=64, verbose=0)
found = found.reshape(test[1].shape)[clip]
true = test[1][clip]
scores = recogniser.predict(test_clips[clip : clip + 1], verbose=0)
print("seen:", ACTIONS[scores.argmax()], "- true:", ACTIONS[test[2][clip]])
shown = [0, 3, 6, 9]
ks.drawing.draw_pictures(
    test[0][clip],
    np.stack([project(found), project(true)])[..., :2],
    skeleton,
    frames=shown,
    title=(
        "Found (yellow) and true (green): recognised as "
        f"{ACTIONS[scores.argmax()]}"
    ),
).savefig(output / "depth.png")
ks.drawing.draw_strip(
    np.stack([true, found]),
    skeleton,
    frames=shown,
    title="True (blue) and found (brown)",
).savefig(output / "space.png")

# %% [markdown]
"""
## Real data

ITOP is had from its authors, and the official weights of A2J by hand; neither
was at hand when this was written. With both, this is the published protocol
(view from the side; mean average precision within 10 cm):

    keras-skeleton convert a2j itop_side FILE.pth

and then

    view = ks.datasets.itop.load_frames("ITOP", view="side", part="test")
    boxes = depth_maps.person_boxes(view["places"])
    crops = depth_maps.crop_depth(
        view["depth"], boxes, 288, 3.44405, 0.540398
    )
    frames = {
        "depth": crops[:, None],
        "box": boxes[:, None],
        "intrinsics": np.tile(ks.datasets.itop.INTRINSICS, (len(boxes), 1, 1)),
    }
    model = ks.applications.A2J("itop_side")
    true = view["joints"][:, None]
    print(ks.evaluation.evaluate_poses(model, frames, true))

Clouds are had by `load_frames(..., points=True)` and
`ks.datasets.clouds.prepare_clouds`; `UniPoseTraining` learns from them as
above, with the 2D joints `view["places"]` or those of an estimator.
"""
