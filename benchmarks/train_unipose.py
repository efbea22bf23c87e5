"""Joints in depth maps, learned without a 3D label, on generated figures.

    KERAS_BACKEND=tensorflow python benchmarks/train_unipose.py

The stages of UniPose: a network of point clouds learns from 2D joints, from
what a depth camera measures at them, and from what bodies are like; the
joints that it finds in the training clips teach a network of depth maps. True
joints are for measuring alone, on persons that were not trained on:
`--choose` takes a quarter of the training persons for that, to choose
settings by. `--supervised` trains the network of clouds with the true joints
instead, to see what is left to gain, and `--depth-weight 0` without the
depths at the 2D joints.

A training that was stopped goes on when the same command is given again. For
other settings choose another folder.
"""

import argparse
import json
import pathlib

import keras
import numpy as np

import keras_skeleton as ks
from keras_skeleton import _outputs
from keras_skeleton import applications
from keras_skeleton.datasets import clouds as point_clouds
from keras_skeleton.datasets import depth as depth_maps
from keras_skeleton.datasets import synthetic
from keras_skeleton.training import ResumeTraining

ACTIONS = ["wave one hand", "clap", "kick", "bow"]
SKELETON = ks.skeletons.get("itop15")
# Of each clip, evenly spread.
FRAMES = 6
CENTERS = (64, 16)
CROP = 64
PIXEL_ERROR = 0.5
BOXES = ("points", "rotation", "offset", "length")


def make_data(options, camera):
    """Parts of training and test: depth maps, clouds, true and 2D joints."""
    sequences = synthetic.load_data(
        options.clips,
        ACTIONS,
        "kinect20",
        num_subjects=options.subjects,
        noise=0,
        seed=options.seed,
    )
    train, test = sequences.split("xsub")
    if options.choose:
        held_out = train.metadata["subject"] % 8 == 3
        test = train.select(np.flatnonzero(held_out))
        train = train.select(np.flatnonzero(~held_out))
    test = test.select(np.arange(min(len(test), options.test_clips)))
    to_itop = ks.skeletons.mapping("kinect20", SKELETON)
    random = np.random.default_rng(options.seed)
    parts = {}
    for name, sequences in (("train", train), ("test", test)):
        seen = synthetic.film(sequences, FRAMES, camera, noise=0.01)
        depth, person = (
            seen[key].reshape(-1, camera.height, camera.width)
            for key in ("depth", "person")
        )
        depth = np.where(person, depth, 0)
        joints = to_itop.apply(seen["skeletons"][:, 0]).reshape(-1, 15, 3)
        keypoints = camera.project(joints)[..., :2]
        keypoints += random.normal(0, PIXEL_ERROR, keypoints.shape)
        parts[name] = {
            "depth": depth,
            "joints": joints,
            "keypoints": keypoints,
            "depths": depth_maps.depth_at(depth, keypoints, radius=1),
            **point_clouds.prepare_clouds(
                point_clouds.depth_clouds(depth, depth > 0, camera.intrinsics),
                options.points,
                CENTERS,
                neighbours=16,
            ),
        }
    return parts


def stored(options, camera, path):
    """The data, made once."""
    if not path.exists():
        arrays = {
            f"{part}/{name}": array
            for part, arrays in make_data(options, camera).items()
            for name, array in arrays.items()
        }
        with _outputs.replacing(path) as unfinished:
            with open(unfinished, "wb") as file:
                np.savez(file, **arrays)
    parts = {"train": {}, "test": {}}
    with np.load(path) as file:
        for key in file:
            part, name = key.split("/")
            parts[part][name] = file[key]
    return parts


def in_clips(part, *names):
    return {
        name: part[name].reshape(-1, FRAMES, *part[name].shape[1:])
        for name in names
    }


def fit(model, x, y, folder, stage, epochs, batch_size, rate, **compiled):
    """Trains, or goes on with a training that was stopped."""
    steps = epochs * -(-len(next(iter(x.values()))) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=rate, warmup_steps=steps // 20
    )
    model.compile(keras.optimizers.Adam(schedule, epsilon=1e-8), **compiled)
    model.fit(
        x if len(x) > 1 else next(iter(x.values())),
        y,
        batch_size=batch_size,
        epochs=epochs,
        verbose=2,
        callbacks=[
            ResumeTraining(folder / f"{stage}_state.npz"),
            keras.callbacks.CSVLogger(folder / f"{stage}.csv", append=True),
        ],
    )


def train_clouds(options, part, camera, folder):
    """The network of point clouds."""
    width = options.width
    model = applications.UniPose(
        input_shape=(FRAMES, options.points, 6),
        skeleton=SKELETON,
        num_stages=1,
        num_centers=CENTERS,
        num_neighbors=16,
        abstraction_widths=(
            (width, width, 2 * width),
            (2 * width, 2 * width, 4 * width),
            (4 * width, 8 * width),
        ),
        propagation_widths=(
            (4 * width,),
            (4 * width, 2 * width),
            (2 * width, 2 * width),
        ),
        head_dim=2 * width,
        num_candidates=options.candidates,
        dropout_rate=0.0,
    )
    how = folder, "clouds", options.epochs, 4, options.rate
    clouds = in_clips(part, *BOXES)
    if options.supervised:
        true = in_clips(part, "joints")["joints"]
        fit(model, clouds, true, *how, loss=ks.losses.JointDistance())
        return model
    weights = {"length": 0, "depth": options.depth_weight}
    training = applications.UniPoseTraining(model, term_weights=weights)
    x = {**clouds, **in_clips(part, "keypoints")}
    x["intrinsics"] = np.tile(camera.intrinsics, (len(x["points"]), 1, 1))
    if options.depth_weight:
        x |= in_clips(part, "depths")
    fit(training, x, None, *how)
    return model


def make_crops(part, camera, mean, deviation):
    """Crops of persons, their boxes and the numbers of the camera."""
    boxes = depth_maps.mask_boxes(part["depth"] > 0, margin=0.2)
    crops = depth_maps.crop_depth(part["depth"], boxes, CROP)
    crops = np.where(crops > 0, (crops - mean) / deviation, 0)
    return {
        "depth": crops[:, None].astype("float32"),
        "box": boxes[:, None],
        "intrinsics": np.tile(camera.intrinsics, (len(boxes), 1, 1)),
    }


def train_depth(options, crops, pseudo, camera, folder):
    """The network of depth maps, taught by that of clouds."""
    model = applications.A2J(
        input_shape=(1, CROP, CROP, 1),
        skeleton=SKELETON,
        hidden_dim=16,
        blocks=(1, 1, 1, 1),
        head_dim=32,
        head_layers=1,
    )
    labels = depth_maps.joints_in_crop(
        pseudo.reshape(-1, 1, 15, 3), crops["box"], camera.intrinsics, CROP
    )
    # From the middle of all depths on, rather than from 0.
    bias = model.get_layer("depths_output").bias
    bias.assign(np.full(bias.shape, labels[..., 2].mean(), "float32"))
    fit(
        model.training_model(),
        {"depth": crops["depth"]},
        labels,
        folder,
        "depth",
        options.depth_epochs,
        32,
        options.depth_rate,
        loss=ks.losses.AnchorToJointError(),
    )
    return model


def lift(part, camera):
    """2D joints put behind what the camera measures at them."""
    behind = ks.losses.weak_poses.general_depths(SKELETON)
    away = (part["depths"] + behind)[..., None]
    return camera.unproject(np.concatenate([part["keypoints"], away], axis=-1))


def measure(found, part, name, results):
    """Prints and notes how far joints are off."""
    found = found.reshape(-1, 15, 3)
    result = ks.evaluation.measure_poses(part["joints"], found, SKELETON)
    distance = np.linalg.norm(found - part["joints"], axis=-1)
    results[name] = {
        "centimetres": round(100 * float(distance.mean()), 2),
        "joints": {
            joint: round(100 * float(error), 1)
            for joint, error in zip(
                SKELETON.joints, distance.mean(axis=0), strict=True
            )
        },
        **{key: str(value) for key, value in result["scores"].items()},
    }
    print(name, json.dumps(results[name], indent=1), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="runs/unipose")
    parser.add_argument("--clips", type=int, default=960)
    parser.add_argument("--test-clips", type=int, default=160)
    parser.add_argument("--subjects", type=int, default=80)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--points", type=int, default=384)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--depth-weight", type=float, default=3.0)
    parser.add_argument("--depth-epochs", type=int, default=30)
    parser.add_argument("--depth-rate", type=float, default=2e-3)
    parser.add_argument("--supervised", action="store_true")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    camera = synthetic.Camera(options.size, options.size)
    parts = stored(options, camera, folder / "data.npz")
    train, test = parts["train"], parts["test"]
    results = {"options": vars(options)}

    # What 2D joints and the depths at them say, without any training.
    lifted = lift(test, camera)
    measure(lifted, test, "2D joints lifted by depth", results)
    model = train_clouds(options, train, camera, folder)
    clouds = {name: in_clips(part, *BOXES) for name, part in parts.items()}
    pseudo = model.predict(clouds["train"], verbose=0)
    measure(pseudo, train, "clouds, training persons", results)
    found = model.predict(clouds["test"], verbose=0)
    measure(found, test, "clouds", results)

    if options.depth_epochs:
        statistics = depth_maps.depth_statistics(train["depth"])
        crops = {
            name: make_crops(part, camera, *statistics)
            for name, part in parts.items()
        }
        model = train_depth(options, crops["train"], pseudo, camera, folder)
        found = model.predict(crops["test"], batch_size=64, verbose=0)
        measure(found, test, "depth maps", results)
    _outputs.write_text(folder / "results.json", json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
