# %% [markdown]
"""
# Your own videos

From a folder of videos, sorted by class, to a classifier that says who does
what in a new video, and when. The package has weights for the joints of any
2D pose estimator, `"penn"`; a few videos of each class are enough to teach
them other actions. It takes a minute or two.

    python guides/your_own_videos.py [FOLDER] [VIDEOS]

`VIDEOS` is a folder with a folder of videos for each class, and needs a pose
estimator: `pip install "keras-skeleton[pose]"`. Without it, the videos are
drawn here, of generated figures, and where their joints are is known: nothing
is downloaded. `KERAS_SKELETON_SHORT=1` draws fewer and trains for a moment,
which only shows that everything runs.
"""

# %%
import os
import pathlib
import sys

import av
import keras
import numpy as np

import keras_skeleton as ks
from keras_skeleton.datasets import synthetic
from keras_skeleton.layers import augmentation
from keras_skeleton.serving import frames
from keras_skeleton.serving import poses

short = os.environ.get("KERAS_SKELETON_SHORT") == "1"
output = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own_videos")
videos = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else output / "videos"
keras.utils.set_random_seed(0)

# %% [markdown]
"""
## Videos, and who finds the joints in them

An estimator is asked for the persons in each frame. `"rtmlib"` (RTMPose,
RTMO) and `"mediapipe"` are there, and one's own takes a few lines, as the one
below, which knows the joints of the figures that are drawn.
"""


# %%
class KnownPoses(poses.PoseEstimator):
    """Finds one person, where it is known to be, and not quite exactly."""

    def __init__(self, joints, skeleton):
        super().__init__(skeleton)
        noise = np.random.default_rng(0).normal(0, 0.7, joints.shape)
        self.joints = joints + noise

    def estimate(self, frame):
        joints = self.joints[frame.number]
        return [poses.Person(joints, np.full(len(joints), 0.9))]


def write_video(path, pictures):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=30)
        stream.height, stream.width = pictures.shape[1:3]
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


if len(sys.argv) > 2:
    everyone = poses.make_estimator("rtmlib")

    def estimator_of(path):
        return everyone
else:
    figures = synthetic.load_data(
        num_clips=9 if short else 72,
        classes=["wave both hands", "kick", "squat"],
        skeleton="kinect20",
        max_frames=40 if short else 90,
    )
    camera, known = synthetic.Camera(), {}
    for number, (clip, label) in enumerate(figures):
        folder = videos / figures.class_names[label].replace(" ", "_")
        path = folder / f"{number:03d}.mp4"
        drawn = synthetic.draw_clip(clip, figures.skeleton, camera, seed=number)
        write_video(path, drawn["video"])
        known[path] = camera.project(clip[0])[..., :2]

    def estimator_of(path):
        return KnownPoses(known[path], figures.skeleton)


# %% [markdown]
"""
## From videos to clips

Persons are followed from frame to frame, and the one who is seen longest
counts. The bridge brings the joints of the estimator to what the weights
expect: the 13 joints of Penn Action in pixels, with a score.
"""

# %%
pretrained = ks.serving.PoseClassifier.from_weights("stgcnpp:penn")


def clip_of(path):
    """The joints `(1, T, 13, 3)` of the main person in a video."""
    estimator, tracker = estimator_of(path), poses.Tracker()
    with estimator:
        for frame in frames.VideoFile(path):
            tracker.update(estimator(frame), frame.time)
    track = max(tracker.tracks, key=lambda each: len(each.times))
    times = np.arange(track.start, track.end, 1 / 30)
    return pretrained.bridge(estimator)(*track.at(times))[None]


paths = sorted(videos.glob("*/*.mp4"))
class_names = sorted({path.parent.name for path in paths})
data = ks.datasets.Sequences.from_arrays(
    [clip_of(path) for path in paths],
    [class_names.index(path.parent.name) for path in paths],
    skeleton="penn13",
    coordinates=("x", "y", "score"),
    names=[path.stem for path in paths],
    class_names=class_names,
)
data.save(output / "joints.h5")
print(len(data), "clips of", ", ".join(class_names))

# %% [markdown]
"""
## Fine-tuning

The transforms are those of the weights' card. A new number of classes gets a
new head. Every third video is kept for the test; with several videos of one
person, keep whole persons (`data.split_by`).
"""

# %%
is_test = np.arange(len(data)) % 3 == 2
train, test = data.select(~is_test), data.select(is_test)
recipe = ks.weights.get("stgcnpp", "penn").recipe
plain = augmentation.deserialize_transforms(recipe["transforms"])
# As `predict` does with frames in which nobody was found.
form = augmentation.filling_lost_frames(plain)
augmented = [
    form[0],
    augmentation.TemporalCrop(),
    *form[1:],
    augmentation.RandomMirror("penn13"),
    augmentation.RandomRotation(0.2, dimensions=2),
]
model = ks.applications.STGCNPlusPlus("penn", classes=len(class_names))
model.compile(
    keras.optimizers.AdamW(1e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    train.to_keras(augmented, batch_size=6, shuffle=True, drop_remainder=True),
    epochs=1 if short else 20,
    shuffle=False,
    verbose=2,
)
found = ks.evaluation.evaluate_model(model, test, transforms=form)
print(f"{found.correct} of {found.of} videos are recognized")

# %% [markdown]
"""
## A new video

The file of weights also records what a video must be brought to. The command
`keras-skeleton predict VIDEO --weights stgcnpp:FILE` does the same.
"""

# %%
file = ks.weights.save_weights(
    model,
    output / "own.safetensors",
    data_set=recipe["data_set"],
    transforms=recipe["transforms"],
    form=recipe["form"],
    class_names=class_names,
)
new = paths[np.flatnonzero(is_test)[-1]]
prediction = ks.serving.predict_video(
    new, f"stgcnpp:{file}", poses=estimator_of(new), output=output / "new.mp4"
)
print(f"{new.parent.name} is what {new.name} shows. Recognized:")
for segment in prediction.segments:
    print(
        f"person {segment.person}, {segment.start:.1f} to {segment.end:.1f} "
        f"s: {segment.name} ({segment.score:.0%})"
    )
