# %% [markdown]
"""
# What a graph network looks at, and which graphs it learned

A small Hyper-GCN is trained on generated clips; then pictures are drawn of
the joints and frames that a prediction depends on, of the graph that the
network makes for a clip, and of its hyper-edges. Nothing is downloaded. It
takes about a minute on two cores; with `KERAS_SKELETON_SHORT=1` it only shows
that everything runs.

    python guides/explain_graph_model.py [FOLDER]
"""

# %%
import os
import pathlib
import sys

import keras
import numpy as np

import keras_skeleton as ks
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import filling_lost_frames

short = os.environ.get("KERAS_SKELETON_SHORT") == "1"
output = pathlib.Path(
    sys.argv[1] if len(sys.argv) > 1 else "runs/explain_graph_model"
)
output.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
"""
## A trained model

Any graph network of the package will do, with weights of your own or with
those of the package. `distinct_virtual_joints` lets the three virtual joints
start apart, so that a short training tells them apart.
"""

# %%
data = ks.datasets.synthetic.load_data(
    num_clips=48 if short else 360, classes=6, skeleton="kinect20"
)
train, test = data.split("xsub")
frames = 8 if short else 24
transforms = filling_lost_frames(
    [
        Center(skeleton=data.skeleton),
        CropResize(frames, interval=(0.95,), min_frames=12),
    ]
)
test_batches = test.to_keras(transforms, batch_size=16)
model = ks.applications.HyperGCN(
    input_shape=(1, frames, 20, 3),
    skeleton=data.skeleton,
    classes=len(data.class_names),
    hidden_dim=16,
    num_heads=4,
    num_neighbors=5,
    distinct_virtual_joints=True,
)
recipe = ks.training.Recipe.of(
    "hypergcn", epochs=1 if short else 12, batch_size=16
)
batches = recipe.batches(train, transforms, seed=0)
recipe.compile(model, batches)
model.fit(batches, epochs=recipe.epochs, shuffle=False, verbose=2)

# %% [markdown]
"""
## Joints and frames

`saliency` is the gradient of the class score: how strongly it reacts when a
joint moves. `grad_cam` shows where the features lie that speak for the class.
Both have one value per person, frame and joint; `to_shares` makes shares.
"""

# %%
clips, labels = test_batches[0]
probabilities = ks.explain.class_probabilities(model, clips)
predicted = probabilities.argmax(axis=1)
print(f"{(predicted == labels).mean():.0%} of {len(labels)} clips are right")
number = int(np.argmax(probabilities[np.arange(len(labels)), labels]))
clip, chosen = clips[number : number + 1], int(predicted[number])
name = data.class_names[chosen]
print("explained:", name)


def save(figure, file_name):
    figure.savefig(output / file_name)
    print(output / file_name)


saliency = ks.explain.saliency(model, clip, chosen)
save(
    ks.drawing.draw_heat_map(
        ks.explain.to_shares(saliency)[0],
        data.skeleton,
        title=f"Saliency for “{name}”",
    ),
    "saliency.png",
)
cam = ks.explain.grad_cam(model, clip, chosen)
cam = ks.explain.upsample(cam, *clip.shape[2:4])
save(
    ks.drawing.draw_strip(
        clip[0],
        data.skeleton,
        ks.explain.to_shares(cam)[0],
        title=f"Grad-CAM for “{name}”",
    ),
    "grad_cam.png",
)

# %% [markdown]
"""
Maps of a `PSUMNet`, whose networks see parts of the body, are brought to the
whole skeleton by `ks.explain.to_skeleton(cam, model)`. Earlier layers can be
explained as well: `grad_cam(model, clips, layer="block_3")`.
"""

# %% [markdown]
"""
## The learned graph

`shared_topology` is what a block learned for all clips, `clip_topology` what
it makes of them for one clip: here, for each of four heads, the bones and
links to the virtual joints with their learned importance, and the hyper-graph
of the clip. Rows receive, columns send.
"""

# %%
blocks = ks.explain.graph_blocks(model)
print("blocks:", ", ".join(blocks))
frame = clip[0, :, frames // 2]
graphs = ks.explain.clip_topology(model, clip, blocks[-1])
print(graphs.shape, "clips, persons, heads, joints, joints")
save(
    ks.drawing.draw_topology(
        frame,
        data.skeleton,
        graphs[0].mean(axis=1),
        title=f"Graph of the last block for “{name}”, mean of the heads",
    ),
    "topology.png",
)

# %% [markdown]
"""
## Hyper-edges

Each joint opens one hyper-edge, and each joint belongs to those of its five
nearest in what the block has learned. The four heaviest of the first head:
"""

# %%
edges = ks.explain.hyper_edges(model, clip, blocks[-1])
save(
    ks.drawing.draw_hyper_edges(
        frame,
        data.skeleton,
        edges.incidence[0, :, 0],
        weights=edges.weights[0, :, 0],
        title="The heaviest hyper-edges of the first head",
    ),
    "hyper_edges.png",
)
