"""Trains the MAMP weights `nw_ucla` that come with the package.

    KERAS_BACKEND=tensorflow python benchmarks/train_mamp_nw_ucla.py DATA_PATH

`DATA_PATH` is the NW-UCLA archive `all_sqe.zip` or its folder. The encoder is
pre-trained without labels on the training clips (views 1 and 2), then
fine-tuned with a head. A run that was stopped goes on when the same command
is given again. The output folder receives the weights in float16, their card
with the scores on the test clips (view 3), and a log of each stage.

`--encoder FILE` fine-tunes from the pre-trained weights of an earlier run,
for other seeds; `--from-scratch` trains as long without any.

No result is chosen on the test clips: the model of the last epoch counts, and
the recipe of fine-tuning was chosen on view 2, after training on view 1.
"""

import argparse
import json
import pathlib

import keras
import training

from keras_skeleton import evaluation
from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.layers.augmentation import serialize_transforms
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import LayerwiseAdamW
from keras_skeleton.training import layerwise_scales
from keras_skeleton.training import warmup_cosine
from keras_skeleton.weights import save_weights

FRAMES = 64
ARCHITECTURE = {
    "input_shape": (1, FRAMES, 20, 3),
    "skeleton": "nw_ucla",
    "hidden_dim": 128,
    "num_layers": 5,
    "num_heads": 4,
    "segment_length": 8,
    "head_dim": 256,
    "head_dropout_rate": 0.3,
}
PRETEXT = {"decoder_dim": 128, "decoder_layers": 2}
EVALUATION = [Center(joint=1), CropResize(FRAMES, interval=(0.95,))]
# `keras-skeleton evaluate` needs nothing but the file and the data.
RECIPE = {
    "data_set": "nw_ucla",
    "protocol": "xview",
    "transforms": serialize_transforms(EVALUATION),
    "stream": None,
}
# The test camera stands elsewhere: the augmentation turns every clip as if
# seen from up to 60 degrees to either side.
AUGMENTATION = [
    Center(joint=1),
    RandomRotation((0.4, 1.05, 0.2)),
    RandomScale((0.8, 1.2)),
    RandomMirror("nw_ucla"),
    CropResize(FRAMES, interval=(0.5, 1.0), min_frames=16),
]
BATCH_SIZE = 32


def pretrain(encoder, sequences, folder, seed, epochs):
    model = MAMPPretext(encoder, **PRETEXT)
    batches = sequences.to_keras(
        AUGMENTATION,
        batch_size=BATCH_SIZE,
        shuffle=True,
        seed=seed,
        labels=False,
        drop_remainder=True,
    )
    steps = len(batches)
    rate = warmup_cosine(
        1e-3,
        5e-4,
        warmup_steps=epochs // 20 * steps,
        total_steps=epochs * steps,
    )
    optimizer = LayerwiseAdamW(rate, weight_decay=0.05, beta_2=0.95)
    training.train(model, optimizer, batches, folder, "pretrain", epochs)


def finetune(encoder, sequences, folder, seed, epochs, layer_decay):
    model = MAMP(
        encoder=encoder,
        classes=len(sequences.class_names),
        drop_path_rate=0.1,
    )
    batches = sequences.to_keras(
        AUGMENTATION,
        batch_size=BATCH_SIZE,
        shuffle=True,
        seed=seed + 1,
        drop_remainder=True,
    )
    steps = len(batches)
    rate = warmup_cosine(
        1e-3, 1e-5, warmup_steps=5 * steps, total_steps=epochs * steps
    )
    optimizer = LayerwiseAdamW(
        rate, weight_decay=0.05, scales=layerwise_scales(model, layer_decay)
    )
    training.train(
        model,
        optimizer,
        batches,
        folder,
        "finetune",
        epochs,
        loss=SmoothedCrossentropy(0.1),
        metrics=["accuracy"],
    )
    return model


def frozen_scores(encoder, train_split, test_split):
    """Linear probe and nearest neighbours on a frozen encoder."""
    clips = (encoder, train_split, test_split)
    probe = evaluation.linear_probe(*clips, transforms=EVALUATION)
    neighbors = evaluation.nearest_neighbors(*clips, k=1, transforms=EVALUATION)
    return [
        *training.counts(probe, "linear"),
        *training.counts(neighbors, "1-nn"),
    ]


def card(file, scores, class_names, stage, options, has_head=True):
    training.write_card(
        file,
        "benchmarks/train_mamp_nw_ucla.py",
        options,
        scores=scores,
        stage=stage,
        recipe=RECIPE,
        class_names=class_names,
        has_head=has_head,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_path")
    parser.add_argument("--output", default="runs/mamp_nw_ucla")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pretrain-epochs", type=int, default=480)
    parser.add_argument("--finetune-epochs", type=int, default=60)
    parser.add_argument("--layer-decay", type=float, default=0.75)
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--encoder", metavar="FILE")
    start.add_argument("--from-scratch", action="store_true")
    options = parser.parse_args()

    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(options.seed)
    sequences = nw_ucla.load_data(options.data_path)
    train_split, test_split = sequences.split("xview")
    class_names = list(sequences.class_names)

    if options.from_scratch:
        encoder = MAMP(**ARCHITECTURE)
    else:
        file = options.encoder
        if file is None:
            file = folder / "mamp_nw_ucla_pretext.safetensors"
            encoder = MAMP(**ARCHITECTURE)
            pretrain(
                encoder,
                train_split,
                folder,
                options.seed,
                options.pretrain_epochs,
            )
            save_weights(encoder, file, dtype="float16", **RECIPE)
            result = frozen_scores(encoder, train_split, test_split)
            print(json.dumps(result), flush=True)
            stage = "pre-trained without labels"
            card(file, result, class_names, stage, options, has_head=False)
        # From the file and a fresh seed: a run with `--encoder` is the same.
        encoder = MAMP(weights=file)
    keras.utils.set_random_seed(options.seed)
    model = finetune(
        encoder,
        train_split,
        folder,
        options.seed,
        options.finetune_epochs,
        # The published recipe decays only from a pre-trained encoder.
        layer_decay=1.0 if options.from_scratch else options.layer_decay,
    )
    file = folder / "mamp_nw_ucla.safetensors"
    save_weights(model, file, dtype="float16", **RECIPE)
    found = evaluation.evaluate_weights("mamp", file, options.data_path)
    kind = "from scratch" if options.from_scratch else "finetuned"
    result = training.counts(found, kind)
    print(json.dumps(result, indent=2))
    stage = (
        "from scratch"
        if options.from_scratch
        else ("pre-trained without labels, then fine-tuned")
    )
    card(file, result, class_names, stage, options)


if __name__ == "__main__":
    main()
