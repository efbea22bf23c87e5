"""Measures which maps show what the packaged classifiers really look at.

    KERAS_BACKEND=tensorflow python benchmarks/faithfulness.py all_sqe.zip

For each of the weights, every map that the model can give is measured by
`explain.faithfulness` on evenly chosen test clips of NW-UCLA, over joints and
over frames: the area under insertion minus that under deletion. The classes
are the predicted ones.
"""

import argparse

import numpy as np

from keras_skeleton import explain
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.explain import attention
from keras_skeleton.explain.class_attention import has_class_attention
from keras_skeleton.layers import augmentation
from keras_skeleton.weights import conversion
from keras_skeleton.weights import get

WEIGHTS = ("ctrgcn:nw_ucla", "hypergcn:nw_ucla", "mamp:nw_ucla")


def all_maps(model, clips):
    """Maps of all kinds by name."""
    maps = {
        "saliency": explain.saliency(model, clips),
        "gradient x input": explain.gradient_times_input(model, clips),
        "integrated gradients": explain.integrated_gradients(model, clips),
        "Grad-CAM": explain.grad_cam(model, clips),
    }
    if has_class_attention(model):
        maps["class attention"] = explain.class_attention(model, clips)
    if attention.shows_features(model):
        weights = explain.attention_maps(model, clips)
        maps["attention rollout"] = explain.importance(
            explain.attention_rollout(weights),
            explain.feature_grid(model),
            clips,
        )
    return maps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_path")
    parser.add_argument("--weights", nargs="+", default=WEIGHTS)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    _, test = nw_ucla.load_data(options.data_path).split("xview")
    chosen = np.linspace(0, len(test) - 1, options.clips).astype(int)
    for weights in options.weights:
        system, name = weights.split(":")
        application, *_ = conversion.classes_of(system).values()
        model = application(name, classes=len(test.class_names))
        transforms = augmentation.deserialize_transforms(
            get(system, name).recipe["transforms"]
        )
        (clips,) = test.select(chosen).to_keras(
            transforms, options.clips, labels=False
        )
        clips = np.asarray(clips)
        maps = all_maps(model, clips)
        for over in ("joints", "frames"):
            found = explain.faithfulness(
                model, maps, clips, over=over, steps=options.steps
            )
            print(f"\n{weights}, {over}\n{found}", flush=True)


if __name__ == "__main__":
    main()
