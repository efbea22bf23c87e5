# %% [markdown]
"""
# Your own data

From a table of joint positions, with a skeleton that nobody has heard of, to
a prepared store, an overview of it and a trained classifier. The table is
generated here: two gestures of an arm. It takes some seconds.

    python guides/your_own_data.py [FOLDER]
"""

# %%
import csv
import os
import pathlib
import sys

import keras
import numpy as np

import keras_skeleton as ks
from keras_skeleton.datasets import overview
from keras_skeleton.datasets import preparation
from keras_skeleton.datasets.readers import custom
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import filling_lost_frames

short = os.environ.get("KERAS_SKELETON_SHORT") == "1"
output = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "runs/own_data")
output.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
"""
## A skeleton

Joints have names, and edges lead from each joint to its parent.
"""

# %%
arm = ks.skeletons.Skeleton(
    "arm",
    joints=("shoulder", "elbow", "wrist", "finger"),
    edges=((1, 0), (2, 1), (3, 2)),
)

# %% [markdown]
"""
## A table

Each line places one joint in one frame of one clip. Columns that are not
needed are left alone, and `person` may tell several persons apart.
"""

# %%
generator = np.random.default_rng(0)
with open(output / "clips.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["clip", "frame", "joint", "x", "y", "z", "label", "split"])
    for number in range(40 if short else 200):
        label = ("wave", "point")[number % 2]
        split = "test" if number % 5 == 0 else "train"
        speed, size = generator.uniform(0.2, 0.4), generator.uniform(0.9, 1.2)
        for frame in range(generator.integers(20, 40)):
            swing = np.sin(speed * frame) if label == "wave" else 0.05 * frame
            for joint, name in enumerate(arm.joints):
                x, y = joint * size * np.sin(swing), joint * size * -0.3
                z = generator.normal(0, 0.05)
                row = [f"{label}_{number:03d}", frame, name, x, y, z]
                table.writerow([*row, label, split])

# %% [markdown]
"""
## A store

`custom.from_csv(path, arm, class_names)` would read it at once. For large
data, `prepare` writes a store that training reads piece by piece; it uses
several processes, and goes on where it was if it is stopped. For a registered
skeleton the command `keras-skeleton prepare csv` does the same.
"""

# %%
reader = custom.CSVReader(
    output / "clips.csv", arm, ["wave", "point"], metadata=["split"]
)
report = preparation.prepare(reader, output / "clips.h5", overwrite=True)
print(report.class_counts, "left out:", report.skipped)
data = ks.datasets.Sequences.load(output / "clips.h5", in_memory=False)
print(overview.format_text(overview.describe(data)))
print("A moving clip:", overview.write_page(data, output / "clip.html"))

# %% [markdown]
"""
## A classifier

From here on nothing differs from a published data set. `Recipe` holds the
published training of a system; it also rotates the clips and crops them.
"""

# %%
train, test = data.split("own")
form = filling_lost_frames(
    [Center(joint=0), CropResize(16, interval=(0.95,), min_frames=16)]
)
model = ks.applications.MAMP(
    input_shape=(1, 16, 4, 3),
    skeleton=arm,
    classes=2,
    hidden_dim=32,
    num_layers=2,
    num_heads=2,
    head_dim=64,
)
recipe = ks.training.Recipe.of("mamp", epochs=1 if short else 30)
batches = recipe.batches(train, form, seed=0)
recipe.compile(model, batches)
model.fit(batches, epochs=recipe.epochs, shuffle=False, verbose=2)
model.evaluate(test.to_keras(form))
