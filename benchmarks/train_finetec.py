"""Trains FineTec on clips that lost frames, beside plainer ways to fill them.

    KERAS_BACKEND=jax python benchmarks/train_finetec.py nw_ucla DATA_PATH \
        --method finetec --share 0.75
    python benchmarks/train_finetec.py nw_ucla DATA_PATH --table

`DATA_PATH` is the NW-UCLA archive `all_sqe.zip`, or the folder `labels` of
Penn Action (`penn_action` in the place of `nw_ucla`). `--method` is one of

- `finetec`: completion, trained first on the whole training clips, then
  frozen; decomposition, accelerations, fusion and the graph network;
- `interpolation`, `duplication`: the graph network on frames filled so;
- `zeros`: the graph network on lost frames as they are.

All see the same clips. Each is brought to its frames, then loses the same
ones whenever it is seen, by `--corruption-seed` and its number; coordinates
are normalized by what is left. The graph network, its optimizer and its
passes are the same for all, those of FineTec's recipe but with smaller
batches, as there are some 1000 training clips. Nothing is chosen on the test
clips: the model of the last pass counts. `--validate` trains on view 1 of
NW-UCLA and scores on view 2 (Penn Action: on three quarters of the training
clips, and the last one), for choices.

Completion starts from interpolated frames (`--start interpolation`), which
the paper does not do. Errors of the joints (MPJPE) on a quarter of NW-UCLA's
training clips, the completion trained on the rest (batches of 32, Adam with a
cosine from 2e-3), in units of the normalized clips:

| lost | interpolation | from the pose, 966 steps | from interpolation, 690 |
|---|---|---|---|
| 25 % | 0.009 | 0.052 | 0.010 |
| 50 % | 0.027 | 0.114 | 0.028 |
| 75 % | 0.085 | 0.228 | 0.086 |

The drawn network has fixed weights for each frame and is not told which ones
are lost, so that it cannot weigh neighbours by the width of a gap: from the
pose it would have to learn interpolation for every pattern of lost frames.
From interpolation there is hardly anything to gain for it: of all fixed linear
maps of the frames the best gains 1.4 % where 75 % are lost, and a curve that
knows the gaps 6.4 % (`finetec_fills.py`).

A run that was stopped goes on when the same command is given again. The
output folder receives the scores, those of restored joints too, and a log of
each stage; `--table` prints what is there.
"""

import json
import pathlib

import keras
import numpy as np
import training
import two_stages

from keras_skeleton import evaluation
from keras_skeleton.applications import FineTec
from keras_skeleton.applications import FineTecPretext
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.datasets import Sequences
from keras_skeleton.explain import reconstruct
from keras_skeleton.layers import augmentation
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import Recipe

METHODS = ("finetec", "interpolation", "duplication", "zeros")
SHARES = (0.25, 0.5, 0.75)
FRAMES = 48
ARCHITECTURES = {
    "nw_ucla": {"input_shape": (1, FRAMES, 20, 3), "skeleton": "nw_ucla"},
    "penn_action": {"input_shape": (1, FRAMES, 13, 2), "skeleton": "penn13"},
}


def whole(sequences):
    """Whole clips, resized to `FRAMES` frames, without visibility."""
    batches = sequences.to_keras(
        [augmentation.CropResize(FRAMES, interval=(1.0,))], batch_size=256
    )
    clips = np.concatenate([batches[i][0] for i in range(len(batches))])
    dimensions = 3 if sequences.skeleton.num_joints == 20 else 2
    return renewed(sequences, clips[..., :dimensions])


def renewed(sequences, clips):
    """The same data with other clips."""
    return Sequences.from_arrays(
        list(clips),
        sequences.labels,
        skeleton=sequences.skeleton,
        names=sequences.names,
        class_names=sequences.class_names,
    )


def corrupted(sequences, share, seed):
    """The same clips with lost frames, always the same of each."""
    layer = augmentation.CorruptFrames(FRAMES, share)
    draws = augmentation.corruption_draws(layer, range(len(sequences)), seed)
    clips = sequences.padded(np.arange(len(sequences)))
    return renewed(sequences, np.asarray(layer.on_numpy()(clips, draws)))


def transforms(data_set, method, is_training):
    """What follows the loss of frames."""
    chain = []
    if method in ("interpolation", "duplication"):
        chain.append(augmentation.FillLostFrames(method))
    if data_set == "nw_ucla":
        chain.append(augmentation.Center(joint=1))
        if is_training:
            chain.append(augmentation.RandomView(60, (0.5, 1.5)))
    elif is_training:
        chain += [
            augmentation.Center(),
            augmentation.RandomRotation(0.2, dimensions=2),
        ]
    return [*chain, augmentation.MinMaxNormalization()]


def arrays(sequences, chain):
    """All clips after transforms, and their labels."""
    batches = sequences.to_keras(chain, batch_size=256)
    found = [batches[i] for i in range(len(batches))]
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def completed_encoder(options, train, folder):
    """A FineTec encoder whose completion is trained, on whole clips."""
    keras.utils.set_random_seed(options.seed)
    encoder = FineTec(
        **ARCHITECTURES[options.data_set],
        completion=options.completion,
        start=options.start,
        mass=options.mass,
        acceleration_weight=options.acceleration_weight,
        hidden_dim=options.hidden_dim,
        dropout_rate=options.dropout_rate,
    )
    encoder.fill_bank(
        arrays(train, transforms(options.data_set, "finetec", False))[0]
    )
    pretext = FineTecPretext(encoder, seed=options.seed)
    two_stages.pretrain(
        pretext,
        keras.optimizers.Adam(options.completion_rate),
        train,
        transforms(options.data_set, "finetec", True),
        folder,
        options,
        128,
    )
    return encoder


def classifier(options, encoder, train):
    """The model to train with labels."""
    keras.utils.set_random_seed(options.seed)
    classes = len(train.class_names)
    if options.method == "finetec":
        return FineTec(encoder=encoder, classes=classes)
    return STGCNPlusPlus(
        **ARCHITECTURES[options.data_set],
        hidden_dim=options.hidden_dim,
        dropout_rate=options.dropout_rate,
        classes=classes,
    )


def true_places(clean, lossy):
    """The whole clips, normalized by what is left of them."""
    is_left = np.any(lossy != 0, axis=(3, 4), keepdims=True)
    axes = (1, 2, 3)
    low = np.where(is_left, lossy, np.inf).min(axis=axes, keepdims=True)
    high = np.where(is_left, lossy, -np.inf).max(axis=axes, keepdims=True)
    half = (high - low) / 2
    has_range = half > 0
    return (clean - low) / np.where(has_range, half, 1) - has_range


def recovery(options, encoder, clean, lossy):
    """Errors of restored joints, in units of the normalized clips."""
    chain = transforms(options.data_set, options.method, False)
    found = arrays(lossy, chain)[0]
    if encoder is not None:
        found, _ = reconstruct(encoder, found, 64)
    lossy, clean = arrays(lossy, [])[0], arrays(clean, [])[0]
    is_lost = ~np.any(lossy != 0, axis=(3, 4))
    true = true_places(clean, lossy)
    return {
        "mpjpe": evaluation.mpjpe(true, found),
        "n_mpjpe": evaluation.n_mpjpe(true, found),
        "mpjve": evaluation.mpjve(true, found),
        "mpjpe_of_lost": evaluation.mpjpe(true, found, is_lost),
    }


def run(options):
    if options.output is None:
        options.output = str(folder_of(options, options.method, options.share))
    folder, train, test = two_stages.prepare(options, "finetec")
    train, test = whole(train), whole(test)
    lossy_train, lossy_test = (
        corrupted(part, options.share, options.corruption_seed)
        for part in (train, test)
    )
    encoder = None
    if options.method == "finetec":
        encoder = completed_encoder(options, train, folder)
    model = classifier(options, encoder, train)
    recipe = Recipe.of(
        FineTec,
        "finetune",
        epochs=options.finetune_epochs,
        learning_rate=options.learning_rate,
    )
    two_stages.finetune(
        model,
        lambda steps: recipe.make_optimizer(model, steps),
        lossy_train,
        transforms(options.data_set, options.method, True),
        folder,
        options,
        options.batch_size,
        SmoothedCrossentropy(recipe.label_smoothing),
    )
    chain = transforms(options.data_set, options.method, False)
    batches = lossy_test.to_keras(chain, batch_size=64)
    logits = model.predict(batches, verbose=0)
    # What is a copy shows before frames are lost.
    found = {"scores": training.scores(logits, train, test)}
    if options.method != "zeros":
        found["recovery"] = recovery(options, encoder, test, lossy_test)
    two_stages.report(folder, options, **found)


def folder_of(options, method, share):
    name = f"{options.data_set}_{method}_{share:g}_{options.seed}"
    kind = "finetec_validated" if options.validate else "finetec"
    return pathlib.Path("runs", kind, name)


def table(options):
    """Prints the scores of the runs that are there."""
    print("| lost | method | top-1 | MPJPE | N-MPJPE | MPJVE |")
    print("|---|---|---|---|---|---|")
    for share in SHARES:
        for method in METHODS:
            file = folder_of(options, method, share) / "result.json"
            if not file.exists():
                continue
            found = json.loads(file.read_text())
            errors = found.get("recovery", {})
            cells = [f"{100 * share:g} %", method]
            cells.append(f"{found['scores']['top1']:.2f}")
            for name in ("mpjpe", "n_mpjpe", "mpjve"):
                cells.append(f"{errors[name]:.4f}" if errors else "")
            print(f"| {' | '.join(cells)} |")


def main():
    parser = two_stages.arguments(__doc__.splitlines()[0], 300, 150)
    parser.add_argument("--method", choices=METHODS, default="finetec")
    parser.add_argument("--share", type=float, default=0.75)
    parser.add_argument("--corruption-seed", type=int, default=0)
    parser.add_argument("--completion", default="drawn")
    parser.add_argument("--start", default="interpolation")
    parser.add_argument("--mass", default="joints")
    parser.add_argument("--acceleration-weight", type=float, default=0.1)
    parser.add_argument("--hidden-dim", type=int, default=64)
    parser.add_argument("--dropout-rate", type=float, default=0.0)
    parser.add_argument("--completion-rate", type=float, default=1e-3)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--table", action="store_true")
    parser.set_defaults(batch_size=16)
    options = parser.parse_args()
    if options.table:
        table(options)
    else:
        run(options)


if __name__ == "__main__":
    main()
