"""Made-up videos, and an estimator and a classifier that understand them.

A person is a grey square on black, from whose place the joints of COCO
follow; its hands are up where the square is bright.
"""

import fractions

import keras
import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.serving import PoseClassifier
from keras_skeleton.serving import PoseForm
from keras_skeleton.serving.poses import PoseFunction

SIDE, DIM, BRIGHT = 16, 110, 230
COCO = skeletons.get("coco17")


def body(x, y, is_up):
    """Joints `(17, 2)` of a person whose square has its middle there."""
    joints = np.zeros((17, 2), "float32")
    heights = {"shoulder": -12, "elbow": -6, "wrist": 0, "hip": 4}
    heights |= {"knee": 14, "ankle": 24}
    for index, name in enumerate(COCO.joints):
        side = {"left": 5, "right": -5}.get(name.partition("_")[0], 0)
        joint = name.rpartition("_")[2]
        high = heights.get(joint, -20)
        if is_up and joint == "wrist":
            high = -26
        joints[index] = x + side, y + high
    return joints


def picture(people, size=(96, 64)):
    """A picture of people `(x, y, is_up)`; uint8 `(H, W, 3)`."""
    image = np.zeros((size[1], size[0], 3), "uint8")
    for x, y, is_up in people:
        half = SIDE // 2
        where = np.s_[y - half : y + half, x - half : x + half]
        image[where] = BRIGHT if is_up else DIM
    return image


def estimate(image):
    """Finds the squares; each half of the picture holds one at most."""
    joints = []
    middle = image.shape[1] // 2
    for start, part in ((0, image[:, :middle]), (middle, image[:, middle:])):
        grey = part.astype("float32").mean(-1)
        rows, columns = np.nonzero(grey > 60)
        if len(rows) < 100:
            continue
        is_up = np.median(grey[rows, columns]) > (DIM + BRIGHT) / 2
        joints.append(body(start + columns.mean(), rows.mean(), is_up))
    scores = np.full((len(joints), 17), 0.9, "float32")
    return np.reshape(joints, (-1, 17, 2)), scores


def make_estimator():
    return PoseFunction(estimate)


def make_classifier(num_frames=8, **form):
    """Says `up` where the wrists are above the shoulders, else `down`."""
    from keras_skeleton.layers.augmentation import CropResize

    inputs = keras.Input((1, num_frames, 17, 3))
    wrists, shoulders = inputs[:, 0, :, 9:11, 1], inputs[:, 0, :, 5:7, 1]
    above = keras.ops.mean(shoulders - wrists, axis=(1, 2))[:, None]
    model = keras.Model(inputs, keras.ops.concatenate([-above, above], -1))
    form = {"coordinates": ("x", "y", "score"), "window": 1.0, **form}
    return PoseClassifier(
        model,
        [CropResize(num_frames, interval=(1.0,))],
        PoseForm("made-up people", **form),
        ["down", "up"],
        skeleton="coco17",
        label="made-up",
    )


def write_video(path, pictures, times=None, rate=20, sound=False):
    """Writes pictures at times in seconds."""
    import av

    if times is None:
        times = np.arange(len(pictures)) / rate
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = fractions.Fraction(1, 1000)
        if sound:
            audio = container.add_stream("aac", rate=8000)
        for time, image in zip(times, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = round(1000 * time)
            frame.time_base = fractions.Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            quiet = av.AudioFrame.from_ndarray(
                np.zeros((1, 8000), "float32"), format="fltp", layout="mono"
            )
            quiet.sample_rate, quiet.pts = 8000, 0
            container.mux(audio.encode(quiet))
            container.mux(audio.encode(None))
    return path
