"""What a second modality is worth to the systems that take video.

    KERAS_BACKEND=tensorflow python benchmarks/compare_modalities.py

Figures of generated motion are rendered as video with noise, and their joints
are found some pixels beside their places. Of each system, the form of both
modalities is compared with the same network, trained as long, that gets
zeros for one of them: EPAM-Net with its own forms of one stream. Trained on
the subjects with odd numbers, tested on the others. Of the 3D deformable
transformer, `explain.faithfulness` also measures whether joints and frames
that its attention calls important are.

Some seeds tell more than one: `--seeds 0 1 2`.
"""

import argparse

import keras
import numpy as np

from keras_skeleton import applications
from keras_skeleton import explain
from keras_skeleton.datasets import synthetic
from keras_skeleton.datasets.aligned import CropTogether

ACTIONS = ["wave both hands", "kick", "sit down", "pick up"]
SIZE, FRAMES, VIDEO_FRAMES, JOINTS = 32, 8, 4, 20
SHAPES = {
    "input_shape": (1, FRAMES, JOINTS, 3),
    "skeleton": "kinect20",
    "classes": len(ACTIONS),
}
NAMES = {
    "both": "both",
    "skeletons": "skeletons alone",
    "video": "video alone",
}


def make_data(number, light, noise, unsteadiness, seed=0):
    """Inputs by name, labels, and which clips are for training."""
    data = synthetic.load_data(
        number, ACTIONS, "kinect20", max_frames=40, noise=0, seed=seed
    )
    camera, random = synthetic.Camera(48, 48), np.random.default_rng(seed)
    skeletons, video = [], []
    for index in range(number):
        clip = data[index][0]
        chosen = np.linspace(0, clip.shape[1] - 1, FRAMES).astype(int)
        clip = clip[:, chosen]
        drawn = synthetic.draw_clip(clip, "kinect20", camera, seed=index)
        pictures = light * drawn["video"][:: FRAMES // VIDEO_FRAMES]
        pictures += random.normal(0, noise, pictures.shape)
        video.append(np.clip(pictures, 0, 255).astype("uint8"))
        joints = camera.project(clip)
        joints[..., 2] = 1
        joints[..., :2] += random.normal(0, unsteadiness, joints[..., :2].shape)
        skeletons.append(joints)
    inputs = {"skeletons": np.stack(skeletons), "video": np.stack(video)}
    inputs = CropTogether((SIZE, SIZE))(inputs, None)
    # What moves, of a camera that stands still.
    pictures = inputs["video"].astype("float32")
    pictures -= pictures.mean(axis=1, keepdims=True)
    deviation = pictures.std(axis=(1, 2, 3, 4), keepdims=True)
    inputs["video"] = pictures / deviation
    is_train = np.zeros(number, bool)
    is_train[data.splits["xsub"]["train"]] = True
    return inputs, data.labels, is_train


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


def train(system, form, inputs, labels, is_train, epochs, seed):
    """The trained model, and its accuracy on test clips in percent."""
    keras.utils.set_random_seed(seed)
    model = SYSTEMS[system](form)
    x = given(system, form, inputs)
    steps = epochs * -(-int(is_train.sum()) // 8)
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                0.0, steps, warmup_target=2e-3, warmup_steps=steps // 10
            ),
            weight_decay=1e-3,
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(
        part(x, is_train),
        labels[is_train],
        batch_size=8,
        epochs=epochs,
        verbose=0,
    )
    scores = model.predict(part(x, ~is_train), batch_size=32, verbose=0)
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
    parser.add_argument("--clips", type=int, default=320)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--light", type=float, default=0.3)
    parser.add_argument("--noise", type=float, default=12.0)
    parser.add_argument("--unsteadiness", type=float, default=2.0)
    options = parser.parse_args()
    inputs, labels, is_train = make_data(
        options.clips, options.light, options.noise, options.unsteadiness
    )
    print(
        f"{is_train.sum()} training and {(~is_train).sum()} test clips of "
        f"{len(ACTIONS)} classes, {keras.backend.backend()}"
    )
    for system in options.systems:
        for form, words in NAMES.items():
            found = []
            for seed in options.seeds:
                model, accuracy = train(
                    system,
                    form,
                    inputs,
                    labels,
                    is_train,
                    options.epochs,
                    seed,
                )
                found.append(accuracy)
                if (system, form, seed) == ("deformable3d", "both", 0):
                    shown = np.flatnonzero(~is_train)[:24]
                    faithful(model, part(inputs, shown))
            values = " ".join(f"{each:.1f}" for each in found)
            print(f"| {system} | {words} | {values} |", flush=True)


if __name__ == "__main__":
    main()
