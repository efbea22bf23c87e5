"""What a second modality is worth to the systems that take video.

    KERAS_BACKEND=tensorflow python benchmarks/compare_modalities.py

Figures of generated motion are rendered as video with noise, each with a ball
in its right hand, and their joints are found some pixels beside their places.
A class is one of four actions with a ball of one of two colours. So each
modality knows what the other does not: joints do not show the ball, and of
the action a few small, noisy pictures show less than the joints.

Of each system, the form of both modalities is compared with the same network,
trained as long, that gets zeros for one of them: EPAM-Net with its own forms
of one stream, which its fused form starts from, as published. Trained on the
subjects with odd numbers, tested on the others; `--choose` tests on a quarter
of the training subjects instead, to choose settings by. `--degrade video` or
`skeletons` leaves next to nothing of a modality, to see whether the fused
form keeps what the other one knows. Of the 3D deformable transformer,
`explain.faithfulness` also measures whether joints and frames that its
attention calls important are.

Some seeds tell more than one: `--seeds 0 1 2`.
"""

import argparse
import time

import keras
import numpy as np

from keras_skeleton import applications
from keras_skeleton import explain
from keras_skeleton import losses
from keras_skeleton import skeletons
from keras_skeleton.datasets import synthetic
from keras_skeleton.datasets.aligned import CropTogether

ACTIONS = ["wave both hands", "kick", "sit down", "pick up"]
BALLS = {"red": (230, 40, 40), "blue": (40, 60, 230)}
BALL_RADIUS = 0.16
SIZE, FRAMES, VIDEO_FRAMES, JOINTS = 32, 8, 4, 20
SUBJECTS, BATCH = 24, 8
SHAPES = {
    "input_shape": (1, FRAMES, JOINTS, 3),
    "skeleton": "kinect20",
    "classes": len(ACTIONS) * len(BALLS),
}
NAMES = {
    "skeletons": "skeletons alone",
    "video": "video alone",
    "both": "both",
}


def add_ball(pictures, depth, places, focal, color):
    """Draws a ball around a place of each frame, where nothing covers it."""
    rows, columns = np.indices(pictures.shape[1:3])
    for picture, far, (column, row, away) in zip(
        pictures, depth, places, strict=True
    ):
        square = (columns - column) ** 2 + (rows - row) ** 2
        is_ball = square <= (focal * BALL_RADIUS / away) ** 2
        picture[is_ball & (far > away - BALL_RADIUS)] = color


def make_data(number, light, noise, unsteadiness, seed=0):
    """Inputs by name, labels, and the subject of each clip."""
    data = synthetic.load_data(
        number,
        ACTIONS,
        "kinect20",
        num_subjects=SUBJECTS,
        max_frames=40,
        noise=0,
        seed=seed,
    )
    camera, random = synthetic.Camera(48, 48), np.random.default_rng(seed)
    hand = skeletons.get("kinect20").joints.index("right_hand")
    balls = random.integers(0, len(BALLS), number)
    clips, video = [], []
    for index, ball in enumerate(balls):
        clip = data[index][0]
        chosen = np.linspace(0, clip.shape[1] - 1, FRAMES).astype(int)
        clip = clip[:, chosen]
        joints = camera.project(clip)
        drawn = synthetic.draw_clip(clip, "kinect20", camera, seed=index)
        pictures = drawn["video"].astype("float32")
        color = list(BALLS.values())[ball]
        add_ball(
            pictures, drawn["depth"], joints[0, :, hand], camera.focal, color
        )
        pictures = light * pictures[:: FRAMES // VIDEO_FRAMES]
        pictures += random.normal(0, noise, pictures.shape)
        video.append(np.clip(pictures, 0, 255).astype("uint8"))
        joints[..., 2] = 1
        joints[..., :2] += random.normal(0, unsteadiness, joints[..., :2].shape)
        clips.append(joints)
    inputs = {"skeletons": np.stack(clips), "video": np.stack(video)}
    inputs = CropTogether((SIZE, SIZE))(inputs, None)
    pictures = inputs["video"].astype("float32")
    axes = (1, 2, 3)
    pictures -= pictures.mean(axis=axes, keepdims=True)
    pictures /= pictures.std(axis=(*axes, 4), keepdims=True)
    inputs["video"] = pictures
    labels = data.labels * len(BALLS) + balls
    return inputs, labels, data.metadata["subject"]


def epamnet(form):
    return applications.EPAMNet(
        **SHAPES,
        video_shape=(VIDEO_FRAMES, SIZE, SIZE, 3),
        streams=form,
        video_hidden_dim=16,
        skeleton_hidden_dim=16,
        video_blocks=(1, 1),
        skeleton_blocks=(1, 1),
        heatmap_size=SIZE // 2,
        image_size=(SIZE, SIZE),
        dropout_rate=0.3,
    )


def mmixer(form):
    width = 32
    pictures = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Conv2D(16, 3, 2, "same", activation="relu"),
            keras.layers.Conv2D(width, 3, 2, "same", activation="relu"),
            keras.layers.Conv2D(width, 3, 2, "same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(width),
        ]
    )
    mixer = applications.MMixer(
        **{**SHAPES, "input_shape": (1, VIDEO_FRAMES, JOINTS, 3)},
        modalities={"skeletons": width, "video": width},
        hidden_dim=32,
        num_heads=4,
        num_skeleton_blocks=2,
    )
    return mixer.with_extractors({"video": pictures})


def deformable3d(form):
    return applications.DeformableTransformer3D(
        **SHAPES,
        video_shape=(VIDEO_FRAMES, SIZE, SIZE, 3),
        stages=((16, 1, 2),),
        stage_blocks=1,
        hidden_dim=32,
        num_heads=4,
        num_blocks=2,
        dropout_rate=0.0,
        drop_path_rate=0.0,
    )


SYSTEMS = {"epamnet": epamnet, "mmixer": mmixer, "deformable3d": deformable3d}


def given(system, form, inputs):
    """What the form of a system gets."""
    if system == "mmixer":
        # Features of each frame: as many frames of both, no scores.
        clips = inputs["skeletons"][:, :, :: FRAMES // VIDEO_FRAMES].copy()
        middle = clips[..., :2].mean(axis=(1, 2, 3), keepdims=True)
        clips[..., :2] = (clips[..., :2] - middle) / (SIZE / 4)
        inputs = {**inputs, "skeletons": clips}
    if form == "both":
        return inputs
    if system == "epamnet":
        return inputs[form]
    return {
        name: array if name == form else np.zeros_like(array)
        for name, array in inputs.items()
    }


def part(inputs, rows):
    if isinstance(inputs, dict):
        return {name: array[rows] for name, array in inputs.items()}
    return inputs[rows]


def degraded(inputs, name, seed=0):
    """The inputs with next to nothing left of one of them."""
    random, inputs = np.random.default_rng(seed), dict(inputs)
    found = inputs[name].copy()
    if name == "skeletons":
        found[..., :2] += random.normal(0, SIZE / 4, found[..., :2].shape)
    else:
        found = found / 5 + random.normal(0, 1, found.shape)
    inputs[name] = found.astype("float32")
    return inputs


def fit(model, x, labels, epochs, rate, loss=None):
    steps = epochs * -(-len(labels) // BATCH)
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                0.0, steps, warmup_target=rate, warmup_steps=steps // 10
            ),
            weight_decay=1e-3,
        ),
        loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(x, labels, batch_size=BATCH, epochs=epochs, verbose=0)


def train(system, form, inputs, labels, is_train, epochs, rate, seed):
    """The trained model, and its accuracy on test clips in percent."""
    keras.utils.set_random_seed(seed)
    model = SYSTEMS[system](form)
    own = labels[is_train]

    def seen(form):
        return part(given(system, form, inputs), is_train)

    if (system, form) == ("epamnet", "both"):
        # As published: each stream alone, then both with a loss for each.
        together = epochs // 4
        alone = {}
        for stream in ("video", "skeletons"):
            alone[stream] = SYSTEMS[system](stream)
            fit(alone[stream], seen(stream), own, epochs - together, rate)
        model.load_streams(**alone)
        fit(
            model.by_stream(),
            seen(form),
            own,
            together,
            rate / 4,
            losses.JointCrossentropy(),
        )
    else:
        fit(model, seen(form), own, epochs, rate)
    x = part(given(system, form, inputs), ~is_train)
    scores = model.predict(x, batch_size=32, verbose=0)
    right = scores.argmax(axis=1) == labels[~is_train]
    return model, 100 * right.mean()


def faithful(model, inputs, batch_size=24):
    """How faithful the attention to joints and frames is."""
    joints, frames = model.importance(inputs)
    maps = {"attention": (joints * frames[..., None])[:, None]}
    for over in ("joints", "frames"):
        result = explain.faithfulness(
            model, maps, inputs, over=over, steps=4, batch_size=batch_size
        )
        print(f"\nAttention of deformable3d, {over}\n{result}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--forms", nargs="+", default=list(NAMES))
    parser.add_argument("--clips", type=int, default=960)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--light", type=float, default=1.0)
    parser.add_argument("--noise", type=float, default=4.0)
    parser.add_argument("--unsteadiness", type=float, default=2.0)
    parser.add_argument("--degrade", choices=["video", "skeletons"])
    parser.add_argument("--choose", action="store_true")
    options = parser.parse_args()
    inputs, labels, subjects = make_data(
        options.clips, options.light, options.noise, options.unsteadiness
    )
    is_train = subjects % 2 == 1
    if options.choose:
        rows = np.flatnonzero(is_train)
        inputs, labels = part(inputs, rows), labels[rows]
        is_train = subjects[rows] % 8 != 3
    if options.degrade:
        inputs = degraded(inputs, options.degrade)
    print(
        f"{is_train.sum()} training and {(~is_train).sum()} test clips of "
        f"{SHAPES['classes']} classes, {keras.backend.backend()}"
    )
    for system in options.systems:
        for form in options.forms:
            found, start = [], time.process_time()
            for seed in options.seeds:
                model, accuracy = train(
                    system,
                    form,
                    inputs,
                    labels,
                    is_train,
                    options.epochs,
                    options.rate,
                    seed,
                )
                found.append(accuracy)
                if (system, form, seed) == ("deformable3d", "both", 0):
                    shown = np.flatnonzero(~is_train)[:24]
                    faithful(model, part(inputs, shown))
            values = " ".join(f"{each:.1f}" for each in found)
            took = time.process_time() - start
            print(
                f"| {system} | {NAMES[form]} | {values} | {took:.0f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
