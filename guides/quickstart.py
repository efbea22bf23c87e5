# %% [markdown]
"""
# Quickstart

From clips of moving skeletons to a trained classifier, its test accuracy, a
saved model and a picture of what it looks at. The clips are generated, so
nothing is downloaded. It takes about two minutes on two cores; with
`KERAS_SKELETON_SHORT=1` it only shows that everything runs.

    python guides/quickstart.py [FOLDER]
"""

# %%
import os
import pathlib
import sys

import keras

import keras_skeleton as ks
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import filling_lost_frames

short = os.environ.get("KERAS_SKELETON_SHORT") == "1"
output = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "runs/quickstart")
output.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
"""
## Data

Every data set of the package is read into `Sequences`: clips of any length
with labels, names, the skeleton and the published protocols. Real data are
read alike, for example by `ks.datasets.nw_ucla.load_data("all_sqe.zip")`.
"""

# %%
data = ks.datasets.synthetic.load_data(
    num_clips=60 if short else 600, classes=6, skeleton="kinect20"
)
print(data)
train, test = data.split("xsub")
clip, label = train[0]
print(clip.shape, "persons, frames, joints, coordinates")
print(data.class_names[label])

# %% [markdown]
"""
Transforms bring clips to one length and place. They run on whole batches.
`to_keras` gives batches that need no TensorFlow; `to_dataset`, with the same
arguments, gives a `tf.data.Dataset`.
"""

# %%
frames = 16 if short else 32
transforms = filling_lost_frames(
    [
        Center(skeleton=data.skeleton),
        CropResize(frames, interval=(0.95,), min_frames=12),
    ]
)
test_batches = test.to_keras(transforms, batch_size=64)

# %% [markdown]
"""
## A model

`MAMP` with `classes` is a classifier; without, an encoder. The published size
is the default; this one is small enough for a laptop. It gives logits.

A `Recipe` says how it is trained: the published optimizer, schedule, loss and
augmentation, and as many epochs as this number of clips needs.
"""

# %%
model = ks.applications.MAMP(
    input_shape=(1, frames, 20, 3),
    skeleton=data.skeleton,
    classes=len(data.class_names),
    hidden_dim=32,
    num_layers=2,
    num_heads=4,
    head_dim=64,
)
recipe = ks.training.Recipe.of("mamp").for_clips(train)
if short:
    recipe = recipe.lasting(1)
train_batches = recipe.batches(train, transforms, seed=0)
recipe.compile(model, train_batches)
model.fit(train_batches, epochs=recipe.epochs, shuffle=False, verbose=2)

# %% [markdown]
"""
## Evaluation

`evaluate_model` measures accuracy, also per class, and the confusion matrix.
"""

# %%
result = ks.evaluation.evaluate_model(model, test_batches)
print(result)
clips, _ = test_batches[0]
logits = model.predict_on_batch(clips[:1])
print(ks.applications.mamp.decode_predictions(logits, data.class_names, top=3))

# %% [markdown]
"""
## Saving

It is a Keras model: it is saved and loaded as one, also on another backend.
"""

# %%
model.save(output / "model.keras")
same = keras.saving.load_model(output / "model.keras")
print("same logits:", abs(same.predict_on_batch(clips[:1]) - logits).max())

# %% [markdown]
"""
## What it looks at

One page that plays the clip, with joints that glow where the model looks.
Open it in a browser.
"""

# %%
page = ks.explain.explain(
    model, clips[0], data.class_names, output / "explanation.html"
)
print(page)
