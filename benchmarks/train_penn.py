"""Trains a classifier of poses, in 13 joints of an image, on Penn Action.

    KERAS_BACKEND=tensorflow python benchmarks/train_penn.py DATA_PATH
    python benchmarks/train_penn.py DATA_PATH --test

`DATA_PATH` is the archive `labels.zip` of Penn Action, or its folder. The
weights are for what pose estimators find, so the labelled joints get errors
like theirs (`estimator_errors.EstimatorErrors`), windows of them are cut, and
the sides are exchanged at random: "left" is mostly the person's right in Penn
Action, and the person's left elsewhere.

The last fifth of each class's training clips, in the order of their numbers,
is held out, and the model of the last pass is scored on it: as labelled, with
errors, with the sides exchanged, and in windows of half a clip. The output
folder receives the weights in float16, their card, and a log. A run that was
stopped goes on when the same command is given again. With `--test`, once at
the end, the weights are scored on the test clips, and their card tells it.
"""

import argparse
import json
import pathlib

import keras
import numpy as np
import training
from estimator_errors import EstimatorErrors

from keras_skeleton import evaluation
from keras_skeleton import weights
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.datasets.readers import penn_action
from keras_skeleton.layers import augmentation
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import SGD
from keras_skeleton.training import warmup_cosine

FRAMES = 32
# More than the model takes, so that the recipe has frames to choose from.
SEEN_FRAMES = 64
# Width and stride of each block: few and narrow, for any processor.
BLOCKS = ((1, 1), (1, 1), (2, 2), (2, 1), (2, 2), (2, 1))


def recipe():
    """What the weights are evaluated by: any pixels, any number of frames."""
    return [
        augmentation.FillLostFrames(),
        *augmentation.pose_preprocessing(FRAMES, keep_aspect=True),
    ]


def held_out(sequences):
    """Training clips to choose by: the last fifth of each class."""
    labels = sequences.labels
    last = [
        rows[-(len(rows) // 5) :]
        for rows in (np.flatnonzero(labels == c) for c in np.unique(labels))
    ]
    last = np.sort(np.concatenate(last))
    rest = np.setdiff1d(np.arange(len(labels)), last)
    return sequences.select(rest), sequences.select(last)


def seen(sequences, chain, seed=0):
    """The clips after transforms, the same ones each time."""
    clips = sequences.padded(np.arange(len(sequences)))
    lengths = sequences.lengths.astype("int32")
    generator = np.random.default_rng(seed)
    for each in chain:
        draws = None
        if each.num_draws:
            draws = generator.random((len(clips), each.num_draws))
        after = each.new_lengths(clips, draws, lengths)
        clips = np.asarray(each.on_numpy()(clips, draws, lengths))
        lengths = np.asarray(after)
    return clips


def views(sequences):
    """Test clips as they come, dict by name."""
    mirror = sequences.skeleton.mirror_permutation
    half = augmentation.CropResize(SEEN_FRAMES, (0.5, 0.5 + 1e-6), min_frames=1)
    errors = EstimatorErrors(SEEN_FRAMES, sequences.skeleton)
    return {
        "as labelled": seen(sequences, recipe()),
        "with errors": seen(sequences, [errors, *recipe()]),
        "sides exchanged": seen(
            sequences, [augmentation.SelectJoints(mirror), *recipe()]
        ),
        "half of the frames": seen(sequences, [half, *recipe()]),
    }


def scores(model, sequences):
    """Clips recognized in each view, `(correct, of)` by name."""
    found = {}
    for name, clips in views(sequences).items():
        logits = model.predict(clips, batch_size=64, verbose=0)
        correct = np.argmax(logits, axis=1) == sequences.labels
        found[name] = int(correct.sum()), len(correct)
    return found


def train(options, sequences, folder):
    keras.utils.set_random_seed(options.seed)
    model = STGCNPlusPlus(
        input_shape=(1, FRAMES, 13, 3),
        skeleton="penn13",
        classes=len(sequences.class_names),
        hidden_dim=options.hidden_dim,
        blocks=BLOCKS,
        dropout_rate=options.dropout_rate,
    )
    batches = sequences.to_keras(
        [EstimatorErrors(SEEN_FRAMES, "penn13", varied=True), *recipe()],
        batch_size=options.batch_size,
        shuffle=True,
        seed=options.seed,
        drop_remainder=True,
    )
    steps = len(batches)
    rate = warmup_cosine(
        options.learning_rate,
        warmup_steps=2 * steps,
        total_steps=options.passes * steps,
    )
    training.train(
        model,
        SGD(rate, weight_decay=options.weight_decay),
        batches,
        folder,
        "stgcnpp",
        options.passes,
        loss=SmoothedCrossentropy(0.1),
        metrics=["accuracy"],
    )
    return model


def test(file, data_path, test_split):
    """Scores weights on the test clips, and adds them to their card."""
    model = STGCNPlusPlus(weights=file, classes=len(test_split.class_names))
    print(json.dumps(scores(model, test_split), indent=2))
    found = evaluation.evaluate_weights("stgcnpp", file, data_path)
    card = json.loads(file.with_suffix(".json").read_text())
    card["scores"] = training.counts(found, "supervised")
    file.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_path")
    parser.add_argument("--output", default="runs/penn")
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--passes", type=int, default=36)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--hidden-dim", type=int, default=24)
    parser.add_argument("--dropout-rate", type=float, default=0.0)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=4e-4)
    options = parser.parse_args()
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "stgcnpp_penn.safetensors"
    sequences = penn_action.load_data(options.data_path)
    train_split, test_split = sequences.split("official")
    if options.test:
        test(file, options.data_path, test_split)
        return
    train_split, choice_split = held_out(train_split)
    model = train(options, train_split, folder)
    how = {
        "data_set": "penn_action",
        "protocol": "official",
        "transforms": augmentation.serialize_transforms(recipe()),
        "stream": None,
        # Estimators give scores where annotators said "visible" or not.
        "form": {"coordinates": ["x", "y", "score"]},
    }
    weights.save_weights(model, file, dtype="float16", **how)
    # What is scored is what is shipped.
    model = STGCNPlusPlus(weights=file, classes=len(sequences.class_names))
    print(json.dumps(scores(model, choice_split), indent=2))
    training.write_card(
        file,
        "benchmarks/train_penn.py",
        options,
        scores=[],
        stage="trained with labels",
        recipe=how,
        class_names=sequences.class_names,
        data="Penn Action (four fifths of the training clips)",
    )


if __name__ == "__main__":
    main()
