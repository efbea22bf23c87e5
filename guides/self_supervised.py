# %% [markdown]
"""
# Self-supervised training: from clips without labels to a table

What a clip shows can be learned in part without being told: it is the same
motion when it is turned, cut or seen in another joint layout. Three systems
make use of that. Here each trains a small encoder without labels, and one
table compares them with the same encoders at random weights: by a linear
probe, by the nearest neighbours, and with few labels. The clips are
generated, so nothing is downloaded. It takes two to three minutes on two
cores; with `KERAS_SKELETON_SHORT=1` it only shows that everything runs.

    python guides/self_supervised.py [FOLDER]
"""

# %%
import os
import pathlib
import sys

import keras

import keras_skeleton as ks
from keras_skeleton import evaluation
from keras_skeleton.layers import augmentation

short = os.environ.get("KERAS_SKELETON_SHORT") == "1"
output = pathlib.Path(
    sys.argv[1] if len(sys.argv) > 1 else "runs/self_supervised"
)
output.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
"""
## Clips

Half of the people are for training, the others for the test. Every clip is
centred and brought to one length; `labels=False` leaves the labels out.
"""

# %%
frames = 16 if short else 32
data = ks.datasets.synthetic.load_data(
    num_clips=90 if short else 600, skeleton="kinect20"
)
train, test = data.split("xsub")
shape = (1, frames, 20, 3)
center = augmentation.Center(skeleton=data.skeleton)
whole = [center, augmentation.CropResize(frames, interval=(0.95,))]
unlabelled = train.to_keras(
    whole,
    batch_size=16 if short else 32,
    shuffle=True,
    seed=0,
    labels=False,
    drop_remainder=True,
)

# %% [markdown]
"""
## Views

Contrast compares views of a clip: what the same transforms, or weaker and
stronger ones, make of it by chance. `Views` makes them, each with draws of
its own. The systems come with the published views; these are milder, as the
clips are few and short. The picture shows three of them, and the clip behind.
"""

# %%
weak = [
    augmentation.CropResize(frames, interval=(0.5, 1.0), min_frames=12),
    augmentation.RandomRotation(0.3),
    augmentation.RandomShear(0.3),
]
strong = [
    *weak,
    augmentation.RandomMirror(data.skeleton),
    augmentation.RandomApply(augmentation.GaussianNoise(shape)),
]
growing = augmentation.Views(
    basic=weak, key=weak, normal=strong, strong=strong, seed=0
)
clips = unlabelled[0]
views = growing(clips, training=True)
shown = {
    name: keras.ops.convert_to_numpy(views[name][0])
    for name in ("basic", "key", "strong")
}
picture = ks.drawing.draw_comparison(shown, data.skeleton, before=clips[0])
picture.savefig(output / "views.png")

# %% [markdown]
"""
## Three systems

- **HiCLR** looks for the key of a weak view among those of all other clips;
  its stronger views learn to find what the weaker ones do. So they help,
  though they alone would mislead.
- **HaLP** makes up more positives in feature space, on arcs from a key
  towards the centres of other clusters. They cost next to nothing, as no clip
  has to be augmented and encoded for them.
- **MS-CLR** compares a clip with the same clip in another joint layout, which
  is made of it here. What both have in common is the motion, and not the
  habits of one sensor.

A fourth, `MAMPPretext`, contrasts nothing: it hides most of a clip and
predicts how the hidden joints move. It wants more time: small ones were no
better than with random weights after 360 to 540 steps, and one with
`motion_stride=8` and `mask_ratio=0.75` was well above after 1,800.
`guides/pretrain_and_finetune.py` shows how to train it.

Batches are clips alone: the views are made inside the compiled step
(`augmentation=`). The systems remember the keys of the last `queue_size`
clips, far fewer than the published 30,000, as we have few.
"""

# %%
epochs = 2 if short else 20
steps = epochs * len(unlabelled)
form = {"input_shape": shape, "skeleton": data.skeleton}
graph = {
    "hidden_dim": 16,
    "output_dim": 64,
    "blocks": ((1, 2), (2, 2)),
    "kernel_size": 5,
    "dropout_rate": 0.0,
}
contrast = {
    "embedding_dim": 64,
    "queue_size": 256,
    "momentum": 0.99,
    "temperature": 0.1,
    "seed": 0,
}
half = epochs // 2
systems = {
    "HiCLR": ks.applications.HiCLRPretext(
        augmentation=growing, mining_epoch=half, **form, **graph, **contrast
    ),
    "HaLP": ks.applications.HaLPPretext(
        hidden_dim=64,
        num_layers=1,
        num_clustered=128,
        warmup=half * len(train),
        augmentation=augmentation.Views(query=weak, key=weak),
        **form,
        **contrast,
    ),
    "MS-CLR": ks.applications.MSCLRPretext(
        layouts=("kinect20", "coco17"),
        augmentation=augmentation.Views(basic=weak, key=weak, extreme=weak),
        mining_epoch=half,
        **form,
        **graph,
        **contrast,
    ),
}

# %% [markdown]
"""
## What an encoder is good for

Each protocol is one call on any model that ends in features. Published
recipes differ from system to system; here all have the same, and features
count by their direction alone: those of random graph networks are so small
that no head would learn from them. The encoder itself is not trained.

- `linear_probe`: a linear layer on top, with all labels.
- `nearest_neighbors`: the class of the most similar training clip.
- `semi_supervised`: here a linear layer that sees a tenth of the labels, three
  times with other clips.
"""

# %%
table = evaluation.Comparison()
probe = {
    "classes": len(data.class_names),
    "epochs": 2 if short else 50,
    "batch_size": 64,
}


def encoder_of(pretext):
    """The encoder of clips in our layout, pooled as its system does."""
    encoder = pretext.encoder
    if isinstance(encoder, ks.applications.MSCLR):
        encoder = encoder.for_layout(data.skeleton.name)
    return type(encoder)(encoder=encoder, pooling="published")


def measure(encoder, name):
    clips = keras.Input(shape)
    directions = keras.layers.UnitNormalization()(encoder(clips))
    model = keras.Model(clips, directions)
    linear = evaluation.linear_probe(
        model, train, test, transforms=whole, **probe
    )
    nearest = evaluation.nearest_neighbors(
        model, train, test, transforms=whole, k=1
    )
    few = evaluation.semi_supervised(
        model,
        train,
        test,
        ratio=0.5 if short else 0.1,
        choice="balanced",
        repetitions=2 if short else 3,
        method="linear",
        transforms=whole,
        **probe,
    )
    for result in (linear, nearest, few):
        table.add(result.named(system=name))
    return linear


for name, pretext in systems.items():
    measure(encoder_of(pretext), f"{name}, random weights")

# %% [markdown]
"""
## Training

A pretext model is a Keras model with a training step of its own: no loss, no
labels. `ResumeTraining` keeps the whole state after each epoch, queues and
random numbers too: stop this script and start it again, and it goes on as if
nothing had happened.
"""

# %%
found = {}
for name, pretext in systems.items():
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, alpha=0.1, warmup_target=3e-3, warmup_steps=steps // 10
    )
    pretext.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4))
    resume = ks.training.ResumeTraining(output / f"{name}.npz", unlabelled)
    pretext.fit(
        unlabelled, epochs=epochs, shuffle=False, callbacks=[resume], verbose=0
    )
    print(f"{name}: trained for {epochs} epochs", flush=True)
    found[name] = measure(encoder_of(pretext), name)

# %% [markdown]
"""
## The table

It is printed, and saved as Markdown and, with all that was measured and by
which settings, as JSON; `Comparison.load` reads that. It is
no ranking: on so few and simple clips, in so short a time, it says more of
the sizes chosen here than of the systems. What training without labels gives
shows where labels are few: with all of them, a random graph network is good
enough for such clips.
"""

# %%
print(table)
table.save(output / "encoders.json")
table.save(output / "encoders.md")

# %% [markdown]
"""
## A map, and the encoder to keep

The map (t-SNE, if scikit-learn is installed) places test clips near each
other whose features are similar. An encoder is saved like any Keras model, and
`classes=` puts a head on it to fine-tune. Which one to keep must not be chosen
by the test clips: take clips for that which are for neither.
"""

# %%
kept = "HiCLR"
try:
    picture = found[kept].draw("features", title=f"{kept}: test clips")
    picture.savefig(output / "features.png")
except ImportError as error:
    print(error)
encoder = encoder_of(systems[kept])
encoder.save(output / "encoder.keras")
same = keras.saving.load_model(output / "encoder.keras")
difference = same.predict_on_batch(clips) - encoder.predict_on_batch(clips)
print(f"{kept}, loaded again: same features to {abs(difference).max():.1e}")
model = type(encoder)(encoder=same, classes=len(data.class_names))
print("a classifier to fine-tune:", model.predict_on_batch(clips).shape)
