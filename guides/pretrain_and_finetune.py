# %% [markdown]
"""
# Pre-training without labels, then fine-tuning

Masked motion prediction: the model sees a tenth of a clip and predicts how
the hidden joints move. No labels are needed for that. The encoder it leaves
behind is then probed and fine-tuned with few labels. About two minutes on two
cores; with `KERAS_SKELETON_SHORT=1` it only shows that everything runs.

    python guides/pretrain_and_finetune.py [FOLDER]

`keras-skeleton demo` does the same at a larger size and compares the result
with training from scratch; its code is `keras_skeleton/demo.py`.
"""

# %%
import os
import pathlib
import sys

import keras

import keras_skeleton as ks
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import RandomRotation

short = os.environ.get("KERAS_SKELETON_SHORT") == "1"
output = pathlib.Path(
    sys.argv[1] if len(sys.argv) > 1 else "runs/pretrain_and_finetune"
)
keras.utils.set_random_seed(0)

frames = 16 if short else 32
data = ks.datasets.synthetic.load_data(
    num_clips=90 if short else 900, skeleton="kinect20"
)
train, test = data.split("xsub")
center = Center(skeleton=data.skeleton)
augmented = [
    center,
    CropResize(frames, interval=(0.5, 1.0), min_frames=12),
    RandomRotation(0.3),
]
plain = [center, CropResize(frames, interval=(0.95,))]

# %% [markdown]
"""
## Pre-training

A pretext model is a Keras model with its own training step: `compile` takes
the optimizer alone, `fit` takes clips without labels. `LayerwiseAdamW` and
`warmup_cosine` are the published optimizer and schedule. `ResumeTraining`
keeps the whole state after each epoch: stop this script and start it again,
and it goes on as if nothing had happened.
"""

# %%
batches = train.to_keras(
    augmented,
    batch_size=32,
    shuffle=True,
    labels=False,
    drop_remainder=True,
)
pretext = ks.applications.MAMPPretext(
    input_shape=(1, frames, 20, 3),
    skeleton=data.skeleton,
    hidden_dim=32,
    num_layers=3,
    num_heads=4,
    decoder_dim=32,
    decoder_layers=1,
    head_dim=64,
)
epochs = 2 if short else 40
steps = epochs * len(batches)
pretext.compile(
    ks.training.LayerwiseAdamW(
        ks.training.warmup_cosine(
            2e-3, 1e-3, warmup_steps=steps // 10, total_steps=steps
        ),
        beta_2=0.95,
    )
)
resume = ks.training.ResumeTraining(output / "pretext.npz", data=batches)
pretext.fit(
    batches, epochs=epochs, shuffle=False, callbacks=[resume], verbose=2
)
encoder = pretext.encoder

# %% [markdown]
"""
## Is the encoder any good?

A linear probe trains one layer on top of the frozen encoder, with all labels.
"""

# %%
probe = ks.evaluation.linear_probe(
    encoder,
    train.to_keras(plain, batch_size=64),
    test.to_keras(plain, batch_size=64),
    classes=len(data.class_names),
    epochs=2 if short else 50,
)
print(f"linear probe: {probe.value:.1f} %")

# %% [markdown]
"""
## Fine-tuning with a tenth of the labels

`MAMP(encoder=...)` puts a head on the encoder and shares its weights. Layers
near the input learn slower: `layerwise_scales` makes their factors.
"""

# %%
few = train.fraction(0.5 if short else 0.1, seed=0, every_class=True)
few_batches = few.to_keras(
    augmented, batch_size=15, shuffle=True, drop_remainder=True
)
model = ks.applications.MAMP(encoder=encoder, classes=len(data.class_names))
epochs = 1 if short else 60
steps = epochs * len(few_batches)
model.compile(
    ks.training.LayerwiseAdamW(
        ks.training.warmup_cosine(
            1e-3, 3e-5, warmup_steps=steps // 10, total_steps=steps
        ),
        scales=ks.training.layerwise_scales(model, decay=0.9),
    ),
    loss=ks.losses.SmoothedCrossentropy(0.1),
    metrics=["accuracy"],
)
model.fit(few_batches, epochs=epochs, shuffle=False, verbose=2)
result = ks.evaluation.evaluate_model(
    model, test.to_keras(plain, batch_size=64)
)
print(f"fine-tuned with {len(few)} labels: {result.value:.1f} %")
