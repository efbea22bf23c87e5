# %% [markdown]
"""
# Video and skeletons together

EPAM-Net looks at a video with one network and at pictures of the pose with
another, which also says where in the video to look. Here generated figures
are rendered as video together with their joints, the video in a dark room
and the joints as an unsteady pose estimator finds them. The two streams are
trained alone and then fused. Nothing is downloaded. It takes about two
minutes on two cores; with `KERAS_SKELETON_SHORT=1` it only shows that
everything runs. On TensorFlow it ended with 46 % of the test clips by the
video, 99 % by the skeletons and 100 % by both.

    python guides/video_and_skeleton.py [FOLDER]

Figures of cylinders are no film: what is measured here shows that the way
from files to a fused classifier works, and that the second stream helps where
the first one is poor. It says nothing about accuracy on real video. The last
section names the commands for real data, which have to be requested from
their owners.
"""

# %%
import os
import pathlib
import sys

import keras
import numpy as np

import keras_skeleton as ks
from keras_skeleton.datasets import Aligned
from keras_skeleton.datasets import Features
from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import synthetic
from keras_skeleton.datasets.aligned import CropTogether
from keras_skeleton.layers.augmentation import SegmentSample

short = os.environ.get("KERAS_SKELETON_SHORT") == "1"
output = pathlib.Path(
    sys.argv[1] if len(sys.argv) > 1 else "runs/video_and_skeleton"
)
output.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)


def save(figure, file_name):
    figure.savefig(output / file_name)
    print(output / file_name)


# %% [markdown]
"""
## Motion as video

`draw_clip` renders a clip; the camera tells where its joints are in the
picture. The room is dark, which leaves a third of the light and the noise
of the sensor, and each joint is found some pixels beside its place. `Videos`
has the same face as `Features` and takes files and folders of pictures.
"""

# %%
SIZE = 32
ACTIONS = ["wave both hands", "kick", "sit down", "pick up"]
LIGHT, NOISE, UNSTEADINESS = 0.3, 12.0, 2.0
data = synthetic.load_data(
    num_clips=24 if short else 320,
    classes=ACTIONS,
    skeleton="kinect20",
    max_frames=40,
    noise=0,
)
camera = synthetic.Camera(48, 48)
random = np.random.default_rng(0)
poses, exact, clear, dark = [], [], {}, {}
for number, name in enumerate(data.names):
    clip = data[number][0][:, ::3]
    video = synthetic.draw_clip(clip, "kinect20", camera, seed=number)["video"]
    dimmed = LIGHT * video + random.normal(0, NOISE, video.shape)
    clear[name] = video
    dark[name] = np.clip(dimmed, 0, 255).astype("uint8")
    joints = camera.project(clip)
    joints[..., 2] = 1  # the score
    exact.append(joints.copy())
    joints[..., :2] += random.normal(0, UNSTEADINESS, joints[..., :2].shape)
    poses.append(joints)
sequences = Sequences.from_arrays(
    poses,
    data.labels,
    names=data.names,
    skeleton="kinect20",
    class_names=data.class_names,
    coordinates=("x", "y", "score"),
    splits=data.splits,
)
shown = {
    name: int(np.argmax(data.labels == k)) for k, name in enumerate(ACTIONS)
}
save(
    ks.drawing.draw_pictures(
        {name: clear[data.names[i]] for name, i in shown.items()},
        {name: exact[i] for name, i in shown.items()},
        "kinect20",
        title="Rendered motion and its joints",
    ),
    "clear.png",
)
save(
    ks.drawing.draw_pictures(
        {name: dark[data.names[i]] for name, i in shown.items()},
        {name: poses[i] for name, i in shown.items()},
        "kinect20",
        title="What the models get: a dark room, an unsteady pose",
    ),
    "degraded.png",
)

# %% [markdown]
"""
## Joined by name

`Aligned` joins the modalities by the names of clips. Which frames a batch
shows is drawn once for all; of sixteen frames of the skeletons, the video has
every other one. `CropTogether` cuts out the people and moves the joints into
the picture that is left.
"""

# %%
together = Aligned(skeletons=sequences, video=Features(dark))
train, test = together.split("xsub")
print(together)


def moving(video):
    """What changes in a clip, brought to deviation 1: the camera stands."""
    video = video.astype("float32")
    video = video - video.mean(axis=1, keepdims=True)
    return video / video.std(axis=(1, 2, 3, 4), keepdims=True)


def batches_of(part, training, functions=(moving,)):
    return part.to_keras(
        {"skeletons": [SegmentSample(8)], "video": functions},
        batch_size=8,
        every={"video": 2},
        together=[CropTogether((SIZE, SIZE))],
        shuffle=training,
        training=training,
    )


class OneStream(keras.utils.PyDataset):
    """The batches of one modality."""

    def __init__(self, batches, stream):
        super().__init__()
        self.batches, self.stream = batches, stream

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        inputs, labels = self.batches[index]
        return inputs[self.stream], labels

    def on_epoch_end(self):
        self.batches.on_epoch_end()


# %% [markdown]
"""
## Each stream alone, then both

The published training has the same order: both streams alone, then together
from their weights, with the sum of both losses (`by_stream`,
`JointCrossentropy`). The networks are small ones of the same kind.
"""

# %%
settings = {
    "input_shape": (1, 8, 20, 3),
    "video_shape": (4, SIZE, SIZE, 3),
    "skeleton": "kinect20",
    "classes": len(ACTIONS),
    "video_hidden_dim": 16,
    "skeleton_hidden_dim": 16,
    "video_blocks": (1,) if short else (1, 1),
    "skeleton_blocks": (1,) if short else (1, 1),
    "heatmap_size": SIZE // 2,
    "image_size": (SIZE, SIZE),
    "dropout_rate": 0.3,
}
epochs = 1 if short else 20


def optimizer(rate, steps):
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    return keras.optimizers.AdamW(schedule, weight_decay=1e-3)


def crossentropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


accuracy, alone = {}, {}
for stream in ("video", "skeletons"):
    model = ks.applications.EPAMNet(**settings, streams=stream)
    batches = OneStream(batches_of(train, True), stream)
    model.compile(
        optimizer(3e-3, epochs * len(batches)),
        crossentropy(),
        metrics=["accuracy"],
    )
    model.fit(batches, epochs=epochs, shuffle=False, verbose=2)
    _, accuracy[stream] = model.evaluate(
        OneStream(batches_of(test, False), stream), verbose=0
    )
    print(f"{stream} alone: {accuracy[stream]:.1%} of the test clips")
    alone[stream] = model

both = ks.applications.EPAMNet(**settings)
both.load_streams(**alone)
batches = batches_of(train, True)
training = both.by_stream()
more = max(1, epochs // 4)
training.compile(
    optimizer(1e-3, more * len(batches)), ks.losses.JointCrossentropy()
)
training.fit(batches, epochs=more, shuffle=False, verbose=2)
both.compile(loss=crossentropy(), metrics=["accuracy"])
_, accuracy["both"] = both.evaluate(batches_of(test, False), verbose=0)
print(f"both: {accuracy['both']:.1%} of the test clips")
save(
    ks.drawing.draw_bars(
        {
            "video alone": 100 * accuracy["video"],
            "skeletons alone": 100 * accuracy["skeletons"],
            "both": 100 * accuracy["both"],
        },
        "Test clips recognized (%)",
        line=("chance", 100 / len(ACTIONS)),
    ),
    "accuracy.png",
)

# %% [markdown]
"""
## Where the pose says to look

The attention of the fused model, a weight for each part of the picture and of
the time, laid over frames of the video. It has 4 x 4 places in each frame and
was learned from the classes alone, in a few hundred steps: do not expect it
to follow hands.
"""

# %%
inputs, labels = batches_of(test, False)[0]
# The same clips, frames and boxes in daylight.
daylight = Aligned(skeletons=sequences, video=Features(clear)).split("xsub")[1]
seen, _ = batches_of(daylight, False, functions=())[0]
looked_at = both.importance(inputs)
is_right = both.predict_on_batch(inputs).argmax(axis=1) == labels
# Of each action a clip that is recognised, if there is one.
rows = {
    name: int(np.argmax((labels == k) * (1 + is_right)))
    for k, name in enumerate(ACTIONS)
    if k in labels
}
save(
    ks.drawing.draw_pictures(
        {name: seen["video"][row] for name, row in rows.items()},
        {name: seen["skeletons"][row][:, ::2] for name, row in rows.items()},
        "kinect20",
        maps={name: looked_at[row] for name, row in rows.items()},
        title="Attention to the video, drawn over the same frames in daylight",
    ),
    "attention.png",
)

# %% [markdown]
"""
## Real data

None of the data sets that EPAM-Net was published on can be downloaded freely:
NTU RGB+D, PKU-MMD and Toyota Smarthome are had on request, and neither their
videos nor the authors' weights were at hand when this was written. With them,
and with the videos cut to the box around all persons (`epamnet.
preprocess_input` says how), this is the published protocol of NTU RGB+D 60:

    keras-skeleton convert epamnet ntu60_xsub FILE.pth
    keras-skeleton prepare ntu_video CROPPED video.h5 --option size=[224,224]

and then, with the 2D poses that PYSKL publishes:

    poses = ks.datasets.pyskl.load_data(name="ntu60_2d")
    video = ks.datasets.Videos.load("video.h5")
    _, test = Aligned(skeletons=poses, video=video).split("xsub")
    model = ks.applications.EPAMNet("ntu60_xsub", classes=60)
    model.compile(metrics=["accuracy"], loss=crossentropy())
    model.evaluate(
        test.to_keras(
            {"skeletons": [SegmentSample(48)], "video": [colours]},
            every={"video": 3},
        )
    )

where `colours` takes `epamnet.PIXEL_MEAN` away and divides by
`epamnet.PIXEL_DEVIATION`. `keras-skeleton prepare --help` names the kinds of
video and depth that are read; `videos` takes any folder. `MMixer` and
`DeformableTransformer3D` have no published weights; they are trained and
measured on the same `Aligned` data, split by `"xsub"`, `"xview"` or, for NTU
RGB+D 120, `"xset"`.
"""
