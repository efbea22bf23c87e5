"""What the scripts share that pre-train without labels, then fine-tune."""

import argparse
import json
import pathlib

import keras
import numpy as np
import training

from keras_skeleton import evaluation
from keras_skeleton.datasets import samplers
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.datasets.readers import penn_action

DATA_SETS = {
    "nw_ucla": (nw_ucla, "xview"),
    "penn_action": (penn_action, "official"),
}


def arguments(description, pretrain_epochs, finetune_epochs):
    """A parser of the arguments that all these scripts take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data_set", choices=DATA_SETS)
    parser.add_argument("data_path")
    parser.add_argument("--output", default=None, help="folder of the run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--pretrain-epochs",
        type=int,
        default=pretrain_epochs,
        help="0 trains from scratch",
    )
    parser.add_argument("--finetune-epochs", type=int, default=finetune_epochs)
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument(
        "--fraction",
        type=float,
        default=1.0,
        help="share of the training clips, for tries",
    )
    parser.add_argument(
        "--validate",
        action="store_true",
        help="train on a part of the training clips and score on the rest",
    )
    return parser


def validation_parts(options, train):
    """Two parts of the training clips, for choices.

    View 1 and what in view 2 is no copy of it, as the test clips of NW-UCLA
    are another view too; three quarters and the last one of Penn Action.
    """
    if options.data_set == "nw_ucla":
        camera = train.metadata["camera"]
        first, second = (
            train.select(np.flatnonzero(camera == view)) for view in (1, 2)
        )
        copies = second.duplicates(first)
        return first, second.select(
            np.setdiff1d(np.arange(len(second)), copies)
        )
    order = np.random.default_rng(0).permutation(len(train))
    cut = 3 * len(train) // 4
    return train.select(order[:cut]), train.select(order[cut:])


def prepare(options, system):
    """The folder of a run, and the two parts of the data.

    Returns:
        Tuple of the folder, the training and the test clips.
    """
    kind = "pretrained" if options.pretrain_epochs else "from_scratch"
    folder = pathlib.Path(
        options.output
        or f"runs/{system}_{options.data_set}_{kind}_{options.seed}"
        f"{'_validated' if options.validate else ''}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(options.seed)
    reader, protocol = DATA_SETS[options.data_set]
    train, test = reader.load_data(options.data_path).split(protocol)
    if options.validate:
        train, test = validation_parts(options, train)
    if options.fraction < 1:
        train = train.fraction(options.fraction, seed=options.seed)
    return folder, train, test


def pretrain(
    pretext, optimizer, train, transforms, folder, options, size, repeat=1
):
    """Trains without labels; goes on with a training that was stopped.

    An epoch shows every clip `repeat` times.
    """
    batches = train.to_keras(
        transforms,
        batch_size=min(size, len(train)),
        sampler=samplers.Repeated(repeat, samplers.Shuffled()),
        seed=options.seed,
        labels=False,
        drop_remainder=True,
    )
    epochs = options.pretrain_epochs
    training.train(pretext, optimizer, batches, folder, "pretrain", epochs)


def finetune(
    model,
    make_optimizer,
    train,
    transforms,
    folder,
    options,
    size,
    loss,
    repeat=1,
    callbacks=(),
):
    """Trains with labels; `make_optimizer` takes the batches of an epoch."""
    batches = train.to_keras(
        transforms,
        batch_size=min(size, len(train)),
        sampler=samplers.Repeated(repeat, samplers.Shuffled()),
        seed=options.seed + 1,
    )
    training.train(
        model,
        make_optimizer(len(batches)),
        batches,
        folder,
        "finetune",
        options.finetune_epochs,
        callbacks,
        loss=loss,
        metrics=["accuracy"],
    )


def score(model, train, test, transforms, batch_size=64):
    """Scores on the test clips, see `training.scores`."""
    logits, _ = evaluation.predict(
        model, test.to_keras(transforms, batch_size=batch_size)
    )
    return training.scores(logits, train, test)


def report(folder, options, **found):
    """Prints what was found and writes it into the folder."""
    result = {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "options": vars(options),
        **found,
    }
    text = json.dumps(result, indent=2)
    (folder / "result.json").write_text(text + "\n")
    print(text)
