"""Trains CascadeFormer with and without pre-training.

    KERAS_BACKEND=tensorflow python benchmarks/train_cascadeformer.py \
        penn_action DATA_PATH
    KERAS_BACKEND=tensorflow python benchmarks/train_cascadeformer.py \
        penn_action DATA_PATH --pretrain-epochs 0

`DATA_PATH` is the NW-UCLA archive `all_sqe.zip` (`nw_ucla`), or the folder
`labels` of Penn Action. A run that was stopped goes on when the same command
is given again. The output folder receives the scores and a log of each stage,
and of a pre-trained model on NW-UCLA the weights `nw_ucla` of the package
with their card.

Data, augmentation, batch sizes, optimizers and the numbers of epochs are
those of the published code, version by version (`--version`), but that every
epoch augments the clips anew, and that clips of Penn Action lose what comes
after `--frames` frames (a tenth of them have more than 112).

`--small` is for CPUs: a twelfth of the weights (3 and 3 blocks of width 128,
with MLPs of width 256, and positions for the frames at hand, which the
official score then cuts clips to). With it, the best of all epochs, below, is
left out.

Two forms of the score are reported. In the clean one padding is masked, the
cross attention has as many heads as in training, and the model of the last
epoch counts: no test clip chooses anything. In the official one (`official`)
the cross attention has 4 heads, and batches of 4 test clips in random order
are padded to the longest of them, without a mask; `official_best_epoch` is
the best of all epochs on the test clips, as the published numbers are on
NW-UCLA.
"""

import csv

import keras
import numpy as np
import training
import two_stages
from keras import ops

from keras_skeleton.applications import CascadeFormer
from keras_skeleton.applications import CascadeFormerPretext
from keras_skeleton.layers import augmentation
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import warmup_cosine
from keras_skeleton.weights import cascadeformer

PRETRAIN_RATE, RATE = 1e-4, 3e-5
OFFICIAL_HEADS, OFFICIAL_BATCH = 4, 4
LATER = {"num_positions": 2048, "position_initializer": "truncated_normal"}
VERSIONS = {
    "1.0": {},
    "1.1": {"frame_embedding": "convolution", **LATER},
    "1.2": {"frame_embedding": "transformer", **LATER},
}
# Batch size, epochs of both stages, weight decay; how often an epoch shows a
# clip, and how often an axis, or some joints, are lost. What is not stated of
# version 1.2 on NW-UCLA is as of 1.1.
RECIPES = {
    ("penn_action", "1.0"): (4, 1000, 1000, 1e-4, 1, 0.0),
    ("penn_action", "1.1"): (2, 500, 500, 1e-4, 1, 0.0),
    ("penn_action", "1.2"): (2, 200, 100, 1e-4, 1, 0.0),
    ("nw_ucla", "1.0"): (4, 1000, 300, 1e-4, 10, 0.5),
    ("nw_ucla", "1.1"): (4, 100, 100, 1e-4, 10, 0.1),
    ("nw_ucla", "1.2"): (4, 100, 100, 1e-2, 25, 0.3),
}
# What `--small` changes: a twelfth of the weights.
SMALL = {"hidden_dim": 128, "num_layers": 3, "mlp_dim": 256}
FORMS = {
    "nw_ucla": {"input_shape": (1, 64, 20, 3), "skeleton": "nw_ucla"},
    "penn_action": {"input_shape": (1, 112, 13, 2), "skeleton": "penn13"},
}


def architecture(options):
    form = dict(FORMS[options.data_set])
    if options.frames:
        persons, _, *rest = form["input_shape"]
        form["input_shape"] = (persons, options.frames, *rest)
    form.update(VERSIONS[options.version], mask_padding=True)
    if options.small:
        form.update(SMALL, num_positions=form["input_shape"][1])
    return form


def transforms(options, is_training, loss_rate):
    frames = architecture(options)["input_shape"][1]
    if options.data_set == "penn_action":
        return [
            augmentation.ZeroInvisible(),
            augmentation.PadTo(frames, mode="zero"),
        ]
    chain = [augmentation.Center(joint=1)]
    if is_training:
        chain.append(augmentation.RandomView(60, (0.5, 1.5)))
    chain += [
        augmentation.MinMaxNormalization(),
        augmentation.RandomFrames(frames),
    ]
    if is_training:
        chain += [
            augmentation.RandomApply(layer, loss_rate)
            for layer in (augmentation.DropAxis(), augmentation.DropJoints())
        ]
    return [*chain, augmentation.SelectJoints(cascadeformer.LIMBS)]


def padded_scores(model, clips):
    """Logits of a batch of clips of any length, whose padding is seen.

    Args:
        model: A classifier.
        clips: Tensor `(N, T, V, C)`.
    """
    tokens = context = model.encode(clips)
    for i in range(
        model.settings["cascade_layers"] or model.settings["num_layers"]
    ):
        context = model.get_layer(f"cascade_block_{i}")(context)
    tokens = model.get_layer("cross_attention")(tokens, context)
    return model.get_layer("predictions")(ops.mean(tokens, axis=1))


def official_scores(model, train, test, options):
    """Scores as the published evaluation takes them."""
    heads = CascadeFormer.from_config(
        {**model.get_config(), "cross_attention_heads": OFFICIAL_HEADS}
    )
    heads.set_weights(model.get_weights())
    if options.data_set == "nw_ucla":
        # All clips have the same number of frames, and no padding.
        chain = transforms(options, False, 0.0)
        return two_stages.score(heads, train, test, chain)
    order = np.random.default_rng(options.seed).permutation(len(test))
    logits = np.empty((len(test), len(test.class_names)), "float32")
    zero_invisible = augmentation.ZeroInvisible()
    frames = model.settings["num_positions"]
    for start in range(0, len(order), OFFICIAL_BATCH):
        chosen = order[start : start + OFFICIAL_BATCH]
        clips = ops.convert_to_tensor(zero_invisible(test.padded(chosen)))
        found = padded_scores(heads, clips[:, 0, :frames])
        logits[chosen] = ops.convert_to_numpy(found)
    return training.scores(logits, train, test)


class TestScores(keras.callbacks.Callback):
    """Notes the test score of every epoch, which chooses nothing here."""

    def __init__(self, path, train, test, chain):
        super().__init__()
        self.path = path
        self.arguments = train, test, chain

    def on_epoch_end(self, epoch, logs=None):
        found = two_stages.score(self.model, *self.arguments)
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow([epoch, found["top1"]])

    def best(self):
        """The best score, and the number of the epoch that has it."""
        with self.path.open(newline="") as file:
            rows = [(float(top1), int(k)) for k, top1 in csv.reader(file)]
        top1, epoch = max(rows)
        return {"top1": top1, "epoch": epoch}


def main():
    parser = two_stages.arguments(__doc__.splitlines()[0], None, None)
    parser.add_argument("--version", default="1.0", choices=VERSIONS)
    parser.add_argument("--frames", type=int, default=None)
    parser.add_argument("--repeat", type=int, default=None)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--pretrain-rate", type=float, default=PRETRAIN_RATE)
    parser.add_argument("--learning-rate", type=float, default=RATE)
    options = parser.parse_args()
    size, first, second, decay, repeat, loss_rate = RECIPES[
        options.data_set, options.version
    ]
    if options.pretrain_epochs is None:
        options.pretrain_epochs = first
    if options.finetune_epochs is None:
        options.finetune_epochs = second
    size = options.batch_size or size
    repeat = options.repeat or repeat
    folder, train, test = two_stages.prepare(
        options, f"cascadeformer_{options.version}"
    )
    chain = transforms(options, True, loss_rate)
    encoder = CascadeFormer(**architecture(options))
    if options.pretrain_epochs:
        two_stages.pretrain(
            CascadeFormerPretext(encoder, seed=options.seed),
            keras.optimizers.Adam(options.pretrain_rate),
            train,
            chain,
            folder,
            options,
            size,
            repeat,
        )
    keras.utils.set_random_seed(options.seed)
    model = CascadeFormer(encoder=encoder, classes=len(train.class_names))

    def make_optimizer(steps):
        epochs = options.finetune_epochs
        rate = warmup_cosine(
            options.learning_rate,
            warmup_steps=int(0.05 * epochs) * steps,
            total_steps=epochs * steps,
        )
        return keras.optimizers.AdamW(rate, weight_decay=decay)

    clean = transforms(options, False, 0.0)
    # Which takes as long as the training itself.
    tests = (
        []
        if options.small
        else [TestScores(folder / "test.csv", train, test, clean)]
    )
    two_stages.finetune(
        model,
        make_optimizer,
        train,
        chain,
        folder,
        options,
        size,
        SmoothedCrossentropy(),
        repeat,
        tests,
    )
    found = {"scores": two_stages.score(model, train, test, clean)}
    found["official"] = official_scores(model, train, test, options)
    for callback in tests:
        found["official_best_epoch"] = callback.best()
    two_stages.report(folder, options, **found)
    if (
        options.data_set == "nw_ucla"
        and options.pretrain_epochs
        and not options.validate
    ):
        training.package(
            model,
            folder / "cascadeformer_nw_ucla.safetensors",
            clean,
            options.data_path,
            "benchmarks/train_cascadeformer.py",
            options,
            stage="pre-trained without labels, then trained with them,",
            kind="finetuned",
        )


if __name__ == "__main__":
    main()
