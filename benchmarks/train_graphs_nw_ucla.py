"""Trains the graph networks on NW-UCLA, and fuses their streams.

    KERAS_BACKEND=tensorflow python benchmarks/train_graphs_nw_ucla.py \
        DATA_PATH hypergcn joint
    python benchmarks/train_graphs_nw_ucla.py DATA_PATH hypergcn --fuse

`DATA_PATH` is the NW-UCLA archive `all_sqe.zip` or its folder. The first form
trains one stream on the training clips (views 1 and 2): of `ctrgcn` and
`hypergcn` one of joint, bone, joint_motion and bone_motion, of `psumnet` one
of body, hand and leg. A run that was stopped goes on when the same command is
given again. The output folder receives the weights in float16, their card
with the scores on the test clips (view 3), and a log. The second form adds
the logits of the streams that are there, or else come with the package, and
prints the table of all scores; a card gets the fused ones by hand.

The data, augmentation, batch size, optimizer and highest learning rates are
those of the published code. The schedule is shorter, 240 passes over the
clips and not 325 or more, with a cosine in the place of steps. Most passes see
each clip in a quarter (Hyper-GCN) or half of the frames, which takes a third
or two thirds of the time; the last ones, in all frames, drop no axis and no
joints. No result is chosen on the test clips: the model of the last pass
counts.

`--start FILE` begins with the weights of an earlier training and half the
learning rate (with their card beside them, and not in the output folder: give
a new one by `--output`). From weights of the same stream and recipe, all
passes see all frames. From others the frames grow as above, in a quarter of
the passes or fewer (`--passes 60`).

`--recipe hypergcn` trains CTR-GCN or PSUMNet with the learning rate, weight
decay, label smoothing, and dropped axes and joints of Hyper-GCN.

On CPUs without AVX-512, TensorFlow took half the time for CTR-GCN with
`TF_ENABLE_ONEDNN_OPTS=1`. On Linux, `MALLOC_TRIM_THRESHOLD_=8000000000`,
`MALLOC_MMAP_THRESHOLD_=4000000000` and `MALLOC_TOP_PAD_=268435456` together
spared about a fifth of the rest: memory is then kept from step to step.
"""

import argparse
import json
import pathlib

import keras
import training

from keras_skeleton import evaluation
from keras_skeleton import weights
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import HyperGCN
from keras_skeleton.applications import PSUMNet
from keras_skeleton.applications import ctrgcn
from keras_skeleton.applications import hypergcn
from keras_skeleton.applications import psumnet
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.layers import augmentation
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import SGD
from keras_skeleton.training import warmup_cosine

BATCH_SIZE = 16
# Which part of the frames, and in which part of the passes.
STAGES = ((1 / 4, 5 / 8), (1 / 2, 1 / 4), (1, 1 / 8))
# CTR-GCN depends more on the number of frames, and a quarter of them spares
# less time; PSUMNet has the same blocks.
LONG_STAGES = ((1 / 2, 3 / 5), (1, 2 / 5))
STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
# Those of the published code. Hyper-GCN and PSUMNet were not published on this
# data: theirs are Hyper-GCN's of its other data, and CTR-GCN's.
RECIPES = {
    "ctrgcn": {
        "rate": 0.1,
        "weight_decay": 1e-4,
        "smoothing": 0.0,
        "drops": False,
    },
    "hypergcn": {
        "rate": 0.05,
        "weight_decay": 4e-4,
        "smoothing": 0.1,
        "drops": True,
    },
}
SYSTEMS = {
    "ctrgcn": {
        "frames": 52,
        "streams": STREAMS,
        "factors": ctrgcn.FUSION_WEIGHTS[STREAMS],
        "recipe": "ctrgcn",
        "stages": LONG_STAGES,
    },
    "hypergcn": {
        "frames": 64,
        "streams": STREAMS,
        "factors": hypergcn.FUSION_WEIGHTS["base", "nw_ucla"],
        "recipe": "hypergcn",
        "stages": STAGES,
    },
    "psumnet": {
        "frames": 52,
        "streams": psumnet.PARTS,
        "factors": psumnet.FUSION_WEIGHTS["ntu60_xsub"],
        "recipe": "ctrgcn",
        "stages": LONG_STAGES,
    },
}


def build(system, stream, classes, frames=None):
    frames = frames or SYSTEMS[system]["frames"]
    shape = (1, frames, 20, 3)
    if system == "ctrgcn":
        return CTRGCN(input_shape=shape, skeleton="nw_ucla", classes=classes)
    if system == "hypergcn":
        return HyperGCN(input_shape=shape, skeleton="nw_ucla", classes=classes)
    joints = psumnet.part_of("nw_ucla", stream).joints
    return PSUMNet(
        input_shape=(1, frames, len(joints), 12),
        skeleton="nw_ucla",
        part=stream,
        classes=classes,
    )


def transforms(system, stream, is_training, frames=None, drops=False):
    """The published preparation of clips for one stream.

    Args:
        system: Name of the system.
        stream: Name of the stream, or part of the body.
        is_training: Whether the clips are turned and scaled at random.
        frames: Frames to take, all that the system sees by default.
        drops: Whether clips of fewer frames than all lose an axis and joints
            at random.
    """
    all_frames = SYSTEMS[system]["frames"]
    frames = frames or all_frames
    chain = [augmentation.Center(joint=1)]
    if is_training:
        chain.append(augmentation.RandomView(60, (0.5, 1.5)))
    chain += [
        augmentation.MinMaxNormalization(),
        augmentation.RandomFrames(frames),
    ]
    if drops and frames < all_frames:
        dropped = augmentation.DropJoints(frames=(frames // 4, frames // 2))
        chain += [
            augmentation.RandomApply(augmentation.DropAxis(), 0.5),
            augmentation.RandomApply(dropped, 0.5),
        ]
    if system == "psumnet":
        part = psumnet.part_of("nw_ucla", stream)
        chain += [
            augmentation.SelectJoints(part.joints),
            augmentation.Streams(bones=part.bones),
        ]
    elif stream != "joint":
        chain.append(augmentation.Streams("nw_ucla", streams=stream))
    return chain


def train(
    system,
    stream,
    recipe,
    stages,
    sequences,
    folder,
    seed,
    passes,
    start=None,
):
    settings, recipe = SYSTEMS[system], RECIPES[recipe]
    name, highest_rate = f"{system}_{stream}", recipe["rate"]
    model, done = None, 0
    if start is not None:
        name, highest_rate = f"{name}_second", highest_rate / 2
        model = build(system, stream, len(sequences.class_names))
        weights.load_weights(model, start)
    for stage, (part_of_frames, part_of_passes) in enumerate(stages):
        size = int(part_of_frames * settings["frames"])
        count = round(part_of_passes * passes)
        keras.utils.set_random_seed(seed + stage)
        before = model
        model = build(system, stream, len(sequences.class_names), size)
        if before is not None:
            # The weights suit any number of frames.
            model.set_weights(before.get_weights())
        batches = sequences.to_keras(
            transforms(
                system,
                stream,
                is_training=True,
                frames=size,
                drops=recipe["drops"],
            ),
            batch_size=BATCH_SIZE,
            shuffle=True,
            seed=seed + stage,
            drop_remainder=True,
            # With one, TensorFlow's tuning of the input may sleep for half
            # a minute after a pass (2.21, passes of more than 40 s).
            workers=2,
        )
        steps = len(batches)
        rate = warmup_cosine(
            highest_rate, warmup_steps=5 * steps, total_steps=passes * steps
        )
        optimizer = SGD(rate, weight_decay=recipe["weight_decay"])
        optimizer.iterations.assign(done * steps)
        training.train(
            model,
            optimizer,
            batches,
            folder,
            f"{name}_{size}",
            count,
            loss=SmoothedCrossentropy(recipe["smoothing"]),
            metrics=["accuracy"],
        )
        done += count
    return model


def fuse(system, folder, train_split, test_split):
    """Scores of each trained stream and of their sum: a dict by name."""
    logits, factors = {}, {}
    settings, registered = SYSTEMS[system], weights.names(system=system)
    for stream, factor in zip(
        settings["streams"], settings["factors"], strict=True
    ):
        name = weights_name(stream)
        file = file_of(folder, system, stream)
        if file.exists() or name in registered:
            model = build(system, stream, len(test_split.class_names))
            weights.load_weights(model, file if file.exists() else name)
            data = test_split.to_keras(
                transforms(system, stream, is_training=False),
                batch_size=64,
                labels=False,
            )
            logits[stream] = model.predict(data, verbose=0)
            factors[stream] = factor
    if logits:
        logits[" + ".join(logits)] = evaluation.fuse_scores(logits, factors)
    return {
        name: training.scores(array, train_split, test_split)
        for name, array in logits.items()
    }


def weights_name(stream):
    return "nw_ucla" if stream == "joint" else f"nw_ucla_{stream}"


def file_of(folder, system, stream):
    return folder / f"{system}_{weights_name(stream)}.safetensors"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_path")
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("stream", nargs="?")
    parser.add_argument("--fuse", action="store_true")
    parser.add_argument("--output", default="runs/graphs_nw_ucla")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--passes", type=int, default=240)
    parser.add_argument("--start", metavar="FILE")
    parser.add_argument("--recipe", choices=RECIPES)
    options = parser.parse_args()
    settings = SYSTEMS[options.system]
    streams, stages = settings["streams"], settings["stages"]
    options.recipe = options.recipe or settings["recipe"]
    if not options.fuse and options.stream not in streams:
        parser.error(f"the stream must be one of {', '.join(streams)}")
    folder = pathlib.Path(options.output)
    start, before = options.start, []
    if start is not None:
        if pathlib.Path(start).resolve().parent == folder.resolve():
            parser.error("--start must lie outside the output folder")
        # The new card tells how the first training went.
        card = json.loads(pathlib.Path(start).with_suffix(".json").read_text())
        before = card["training"]
        # Cards from before there was a choice name no recipe.
        first = (
            before[-1]["stream"],
            before[-1].get("recipe", settings["recipe"]),
        )
        if first == (options.stream, options.recipe):
            stages = ((1, 1),)

    folder.mkdir(parents=True, exist_ok=True)
    sequences = nw_ucla.load_data(options.data_path)
    train_split, test_split = sequences.split("xview")
    if options.fuse:
        table = fuse(options.system, folder, train_split, test_split)
        print(training.table(table))
        return
    model = train(
        options.system,
        options.stream,
        options.recipe,
        stages,
        train_split,
        folder,
        options.seed,
        options.passes,
        start,
    )
    chain = transforms(options.system, options.stream, is_training=False)
    training.package(
        model,
        file_of(folder, options.system, options.stream),
        chain,
        options.data_path,
        "benchmarks/train_graphs_nw_ucla.py",
        options,
        stage="trained with labels",
        stream=options.stream,
        before=before,
    )


if __name__ == "__main__":
    main()
