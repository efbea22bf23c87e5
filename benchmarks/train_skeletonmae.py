"""Trains SkeletonMAE with and without pre-training.

    KERAS_BACKEND=jax python benchmarks/train_skeletonmae.py nw_ucla DATA_PATH
    KERAS_BACKEND=jax python benchmarks/train_skeletonmae.py nw_ucla DATA_PATH \
        --pretrain-epochs 0

`DATA_PATH` is the NW-UCLA archive `all_sqe.zip`, or the folder `labels` of
Penn Action (`penn_action` in the place of `nw_ucla`). The encoder is
pre-trained without labels on the training clips, then fine-tuned with its
head; with no epochs of pre-training, the same is trained from scratch. A run
that was stopped goes on when the same command is given again. The output
folder receives the scores on the test clips and a log of each stage.

Optimizers, schedules and the numbers of epochs are those of the paper, which
did not use these data. The batches are smaller than its 1024 and 128, as
there are some 1000 training clips. Nothing is chosen on the test clips: the
model of the last epoch counts.
"""

import keras
import two_stages

from keras_skeleton.applications import SkeletonMAE
from keras_skeleton.applications import SkeletonMAEPretext
from keras_skeleton.layers import augmentation
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import Recipe

# Most videos of Penn Action: height and width in pixels.
IMAGE = (270, 480)
# One pixel, where the width of the image is 2.
NOISE = 2 / IMAGE[1]
JOINTS = {
    "nw_ucla": (20, 3, "nw_ucla"),
    "penn_action": (13, 2, "penn13"),
}
BATCH_SIZES = {"pretrain": 128, "finetune": 32}


def architecture(data_set, frames):
    joints, coordinates, skeleton = JOINTS[data_set]
    return {
        "input_shape": (1, frames, joints, coordinates),
        "skeleton": skeleton,
    }


def transforms(data_set, frames, is_training):
    """Preparation of the clips, and in training what changes them.

    The paper's noise of a pixel on image coordinates; on NW-UCLA, whose test
    camera stands elsewhere, other views in its place.
    """
    if data_set == "penn_action":
        mode = "train" if is_training else "test"
        chain = [
            augmentation.UniformSample(frames, mode=mode),
            augmentation.PreNormalize2D(IMAGE),
            augmentation.ZeroInvisible(),
        ]
        if is_training:
            shape = architecture(data_set, frames)["input_shape"]
            chain.append(augmentation.GaussianNoise(shape, NOISE))
        return chain
    chain = [augmentation.Center(joint=1)]
    if not is_training:
        return [*chain, augmentation.CropResize(frames, interval=(0.95,))]
    return [
        *chain,
        augmentation.RandomRotation((0.4, 1.05, 0.2)),
        augmentation.RandomScale((0.8, 1.2)),
        augmentation.CropResize(frames, interval=(0.5, 1.0), min_frames=16),
    ]


def main():
    parser = two_stages.arguments(__doc__.splitlines()[0], 50, 110)
    parser.add_argument(
        "--hidden-parts",
        nargs="+",
        default=["right_arm", "right_leg"],
        help="names of parts of the body, or how many are drawn",
    )
    parser.add_argument("--frames", type=int, default=64)
    options = parser.parse_args()
    folder, train, test = two_stages.prepare(options, "skeletonmae")
    chain = transforms(options.data_set, options.frames, True)
    encoder = SkeletonMAE(**architecture(options.data_set, options.frames))
    if options.pretrain_epochs:
        hidden = options.hidden_parts
        if len(hidden) == 1 and hidden[0].isdigit():
            hidden = int(hidden[0])
        pretext = SkeletonMAEPretext(
            encoder, hidden_parts=hidden, seed=options.seed
        )
        two_stages.pretrain(
            pretext,
            keras.optimizers.Adam(1.5e-4),
            train,
            chain,
            folder,
            options,
            options.batch_size or BATCH_SIZES["pretrain"],
        )
    keras.utils.set_random_seed(options.seed)
    model = SkeletonMAE(encoder=encoder, classes=len(train.class_names))
    recipe = Recipe.of(encoder, "finetune", epochs=options.finetune_epochs)
    two_stages.finetune(
        model,
        lambda steps: recipe.make_optimizer(model, steps),
        train,
        chain,
        folder,
        options,
        options.batch_size or BATCH_SIZES["finetune"],
        SmoothedCrossentropy(recipe.label_smoothing),
    )
    chain = transforms(options.data_set, options.frames, False)
    scores = two_stages.score(model, train, test, chain)
    two_stages.report(folder, options, scores=scores)


if __name__ == "__main__":
    main()
