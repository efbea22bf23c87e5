"""Trains BRL and ACLNet on NW-UCLA, beside the same networks alone.

    KERAS_BACKEND=tensorflow python benchmarks/train_supervised_nw_ucla.py \
        DATA_PATH brl
    KERAS_BACKEND=tensorflow python benchmarks/train_supervised_nw_ucla.py \
        DATA_PATH brl --plain
    python benchmarks/train_supervised_nw_ucla.py DATA_PATH --table

`DATA_PATH` is the NW-UCLA archive `all_sqe.zip`. `brl` trains on the long
tail that BRL cuts out of the training clips (`xview_long_tailed`), `aclnet` on
all of them. With `--plain`, the network is trained by cross-entropy alone, in
as many steps of as many clips, with the same augmentation, optimizer and
schedule. The rest of BRL can be taken away in part: with `--plain --sampler
rebalanced` the plain training sees rare classes as often as BRL does.

Both networks are smaller than published, and see fewer frames, so that an
epoch takes seconds on a CPU. The optimizer and its schedule are the published
ones, but with fewer steps and a higher rate; what begins after some epochs
does so after the published share of them. Nothing is chosen on the test clips:
the model of the last epoch counts. `--validate` trains on view 1 and scores on
view 2, for choices.

A run that was stopped goes on when the same command is given again. The
output folder receives the scores and a log, and of ACLNet the weights
`nw_ucla` of the package with their card; `--table` prints the mean scores of
the runs that are there, over their seeds.
"""

import argparse
import json
import math
import pathlib

import keras
import numpy as np
import training
import two_stages

from keras_skeleton import evaluation
from keras_skeleton.applications import BRL
from keras_skeleton.applications import ACLNet
from keras_skeleton.applications import ACLNetTraining
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.datasets import samplers
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.layers import augmentation
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import SGD
from keras_skeleton.training import warmup_cosine

FRAMES = 32
# Three of the ten published blocks, one of each width.
BLOCKS = ((1, 1), (2, 2), (4, 2))
ARCHITECTURE = {
    "input_shape": (1, FRAMES, 20, 3),
    "skeleton": "nw_ucla",
    "blocks": BLOCKS,
}
BATCH_SIZE = 16
# Network and its width (published: 64, 96).
SYSTEMS = {"brl": (STGCNPlusPlus, 24), "aclnet": (ACLNet, 24)}
# Published: 0.0125 and 0.025, for some ten times as many steps.
RATE = 0.05
# Published of BRL: 24 epochs. Of ACLNet's 150 the first 30 come before the
# contrast between classes, in 10 neighbours of 60 classes or more.
BRL_SWITCH = 19 / 24
ACLNET_BEGIN = 30 / 150
ACLNET_NEIGHBORS = 3


def transforms(is_training):
    """As published on this data for both."""
    chain = [augmentation.Center(joint=1)]
    if is_training:
        chain.append(augmentation.RandomView(60, (0.5, 1.5)))
    return [
        *chain,
        augmentation.MinMaxNormalization(),
        augmentation.RandomFrames(FRAMES),
    ]


def parts(options):
    """The training and the test clips."""
    sequences = nw_ucla.load_data(options.data_path)
    is_long_tailed = options.system == "brl"
    if not options.validate:
        protocol = "xview_long_tailed" if is_long_tailed else "xview"
        return sequences.split(protocol)
    options.data_set = "nw_ucla"
    train, _ = sequences.split("xview")
    train, test = two_stages.validation_parts(options, train)
    if is_long_tailed:
        # One view has half of the clips.
        train = train.long_tailed(50, 10)
    return train, test


def trained_model(options, model, counts):
    """What is fitted: the classifier itself, or its training."""
    if options.plain:
        return model
    if options.system == "brl":
        return BRL(
            model,
            class_counts=counts,
            switch_epoch=round(BRL_SWITCH * options.epochs),
            seed=options.seed,
        )
    begin = round(ACLNET_BEGIN * options.epochs)
    return ACLNetTraining(
        model,
        counting_epochs=max(0, begin - 1),
        contrast_epochs=begin,
        num_neighbors=ACLNET_NEIGHBORS,
        seed=options.seed,
    )


def run(options):
    application, width = SYSTEMS[options.system]
    folder = pathlib.Path(options.output or folder_of(options))
    folder.mkdir(parents=True, exist_ok=True)
    train, test = parts(options)
    counts = np.bincount(train.labels, minlength=len(train.class_names))
    sampler, epochs = samplers.Shuffled(), options.epochs
    if options.system == "brl":
        rebalanced = samplers.Rebalanced()
        if options.sampler == "rebalanced" or not options.plain:
            sampler = rebalanced
        else:
            # As many steps, in epochs that are shorter.
            shows = rebalanced.shows(train.labels)[train.labels].sum()
            epochs = round(epochs * shows / len(train))
    keras.utils.set_random_seed(options.seed)
    model = application(**ARCHITECTURE, hidden_dim=width, classes=len(counts))
    batches = train.to_keras(
        transforms(True),
        batch_size=BATCH_SIZE,
        sampler=sampler,
        seed=options.seed,
        drop_remainder=True,
    )
    schedule = warmup_cosine(
        options.learning_rate, total_steps=epochs * len(batches)
    )
    labels = {}
    if options.plain:
        labels = {"loss": SmoothedCrossentropy(), "metrics": ["accuracy"]}
    training.train(
        trained_model(options, model, counts),
        SGD(schedule, weight_decay=5e-4),
        batches,
        folder,
        "train",
        epochs,
        **labels,
    )
    logits = model.predict(
        test.to_keras(transforms(False), batch_size=64), verbose=0
    )
    matrix = evaluation.confusion_matrix(
        test.labels, np.argmax(logits, axis=1), len(counts)
    )
    found = {"scores": training.scores(logits, train, test)}
    if options.system == "brl":
        groups = evaluation.class_groups(counts)
        found["groups"] = evaluation.group_accuracy(matrix, groups)
        found["counts"] = counts.tolist()
    found["per_class"] = evaluation.per_class_accuracy(matrix).tolist()
    two_stages.report(folder, options, parameters=model.count_params(), **found)
    is_whole = not (options.plain or options.validate)
    if options.system == "aclnet" and is_whole:
        training.package(
            model,
            folder / "aclnet_nw_ucla.safetensors",
            transforms(False),
            options.data_path,
            "benchmarks/train_supervised_nw_ucla.py",
            options,
            stage="trained with labels and the contrast between classes",
        )


def folder_of(options):
    name = options.system
    if options.plain:
        name += "_plain"
        if options.sampler:
            name += f"_{options.sampler}"
    if options.validate:
        name += "_validated"
    return pathlib.Path("runs", "supervised", f"{name}_{options.seed}")


def table(folder):
    """Prints the mean scores of the runs that are there."""
    runs = {}
    for file in sorted(folder.glob("*/result.json")):
        name = file.parent.name.rpartition("_")[0]
        runs.setdefault(name, []).append(json.loads(file.read_text()))
    print("| run | seeds | top-1 | without copies | many | medium | few |")
    print("|---|---|---|---|---|---|---|")
    for name, found in runs.items():
        cells = [name, f"{len(found)}"]
        for part, key in (
            ("scores", "top1"),
            ("scores", "top1_without_duplicates"),
            ("groups", "many"),
            ("groups", "medium"),
            ("groups", "few"),
        ):
            values = [one.get(part, {}).get(key, math.nan) for one in found]
            cell = f"{np.mean(values):.1f}"
            if len(values) > 1:
                cell += f" ({min(values):.1f}-{max(values):.1f})"
            cells.append("" if math.isnan(values[0]) else cell)
        print(f"| {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_path")
    parser.add_argument("system", nargs="?", choices=SYSTEMS)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--sampler", choices=("rebalanced",))
    parser.add_argument("--output", help="folder of the run, or of the runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--learning-rate", type=float, default=RATE)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        table(pathlib.Path(options.output or "runs/supervised"))
    elif options.system is None:
        parser.error("name a system to train, or --table")
    else:
        run(options)


if __name__ == "__main__":
    main()
