"""Trains the weights `nw_ucla` of HiCLR, HaLP and MS-CLR of the package.

    KERAS_BACKEND=tensorflow python benchmarks/train_contrast_nw_ucla.py \
        SYSTEM DATA_PATH

`SYSTEM` is `hiclr`, `halp` or `msclr`, or `halp_baseline` for HaLP without
hallucinated positives. `DATA_PATH` is the NW-UCLA archive `all_sqe.zip` or
its folder. An encoder is trained without labels on the training clips (views
1 and 2). A run that was stopped goes on when the same command is given again.
The output folder receives the weights in float16, their card, and a log.

The published recipes are for 40,000 clips or more and weeks of training on
one processor. Here there are 1,018 clips, and the schedule is shorter: small
batches, a short queue, keys that follow faster, AdamW in place of stochastic
gradient descent, and for HaLP milder views. The settings were chosen with
`--validate`, which trains on view 1, and looks up the clips of view 2 among
those of view 1; the test clips (view 3) had no part in it.
"""

import argparse
import pathlib

import keras
import numpy as np
import training

from keras_skeleton import evaluation
from keras_skeleton.applications import HaLPPretext
from keras_skeleton.applications import HiCLRPretext
from keras_skeleton.applications import MSCLRPretext
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.layers import augmentation
from keras_skeleton.weights import save_weights

SHAPE = (1, 50, 20, 3)
# Half of the published: the last block is more than half of the work.
OUTPUT_DIM = 128
# Persons face the front, whatever the view: the test is one of views.
PREPROCESSING = augmentation.facing_preprocessing(SHAPE[1], center=2)
RECIPE = {
    "data_set": "nw_ucla",
    "protocol": "xview",
    "transforms": augmentation.serialize_transforms(PREPROCESSING),
    "stream": "joint",
}


def hiclr(options):
    return HiCLRPretext(
        input_shape=SHAPE,
        skeleton="nw_ucla",
        output_dim=OUTPUT_DIM,
        dropout_rate=options.dropout,
        mining_epoch=options.mining_epoch,
        **contrast(options),
    )


def halp(options, hallucination_weight=1.0):
    view = [
        augmentation.CropResize(SHAPE[1], (0.5, 1.0), min_frames=10),
        augmentation.RandomRotation(0.3),
        augmentation.RandomChoice(
            [
                augmentation.JointCorruption(SHAPE[2] // 4),
                augmentation.RandomShear(0.5),
            ]
        ),
    ]
    return HaLPPretext(
        input_shape=SHAPE,
        skeleton="nw_ucla",
        hidden_dim=160,
        hallucination_weight=hallucination_weight,
        # As published, momentum contrast alone comes first: earlier, with
        # nothing learned yet, positives without negatives end in one point.
        warmup=options.epochs // 2 * options.num_clips,
        augmentation=augmentation.Views(query=view, key=view),
        **contrast(options),
    )


def halp_baseline(options):
    return halp(options, hallucination_weight=0.0)


def msclr(options):
    return MSCLRPretext(
        layouts=("nw_ucla", "coco17"),
        input_shape=SHAPE,
        output_dim=OUTPUT_DIM,
        dropout_rate=options.dropout,
        mining_epoch=options.mining_epoch,
        **contrast(options),
    )


def contrast(options):
    """Arguments of all systems."""
    return {
        "queue_size": options.queue_size,
        "momentum": options.momentum,
        "temperature": options.temperature,
        "seed": options.seed,
    }


SYSTEMS = {
    "hiclr": hiclr,
    "halp": halp,
    "halp_baseline": halp_baseline,
    "msclr": msclr,
}


def train(clips, folder, options):
    """The encoder, trained on clips without their labels."""
    options.num_clips = len(clips)
    pretext = SYSTEMS[options.system](options)
    batches = clips.to_keras(
        PREPROCESSING,
        batch_size=options.batch_size,
        shuffle=True,
        seed=options.seed,
        labels=False,
        drop_remainder=True,
    )
    rate = keras.optimizers.schedules.CosineDecay(
        options.learning_rate, options.epochs * len(batches)
    )
    optimizer = keras.optimizers.AdamW(rate, options.weight_decay)
    training.train(
        pretext, optimizer, batches, folder, "pretrain", options.epochs
    )
    if options.system == "msclr":
        return pretext.encoder.for_layout("nw_ucla")
    return pretext.encoder


def without_copies(clips, memory):
    """Those clips that are no copies of others."""
    copies = clips.duplicates(memory)
    return clips.select(np.setdiff1d(np.arange(len(clips)), copies))


def validate(train_split, folder, options):
    """Trains on view 1, and finds the classes of view 2 by it."""
    camera = train_split.metadata["camera"]
    first, second = (
        train_split.select(np.flatnonzero(camera == view)) for view in (1, 2)
    )
    second = without_copies(second, first)
    encoder = train(first, folder, options)
    for protocol in (evaluation.nearest_neighbors, evaluation.linear_probe):
        print(protocol(encoder, first, second, transforms=PREPROCESSING))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("data_path")
    parser.add_argument("--output")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--queue-size", type=int, default=256)
    parser.add_argument("--momentum", type=float, default=0.99)
    parser.add_argument("--temperature", type=float, default=0.1)
    parser.add_argument(
        "--mining-epoch",
        type=int,
        help="when HiCLR and MS-CLR begin to mine, by default half-way",
    )
    parser.add_argument("--validate", action="store_true")
    options = parser.parse_args()
    if options.mining_epoch is None:
        options.mining_epoch = options.epochs // 2

    folder = pathlib.Path(options.output or f"runs/{options.system}_nw_ucla")
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(options.seed)
    sequences = nw_ucla.load_data(options.data_path)
    train_split, test_split = sequences.split("xview")
    if options.validate:
        validate(train_split, folder, options)
        return
    encoder = train(train_split, folder, options)
    file = folder / f"{options.system}_nw_ucla.safetensors"
    save_weights(encoder, file, dtype="float16", **RECIPE)
    encoder = type(encoder)(file)
    scores = []
    for kind, protocol in (
        ("linear", evaluation.linear_probe),
        ("1-nn", evaluation.nearest_neighbors),
    ):
        found = protocol(
            encoder, train_split, test_split, transforms=PREPROCESSING
        )
        print(found, flush=True)
        scores += training.counts(found, kind)
    training.write_card(
        file,
        "benchmarks/train_contrast_nw_ucla.py",
        options,
        scores=scores,
        stage="pre-trained without labels",
        recipe=RECIPE,
        class_names=sequences.class_names,
        has_head=False,
    )


if __name__ == "__main__":
    main()
