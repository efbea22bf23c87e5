"""What lost frames cost a classifier, left as zeros and filled.

    python benchmarks/lost_frames.py all_sqe.zip

takes frames of the test clips of NW-UCLA away, at random places, and counts
what the packaged CTR-GCN says of the rest: zeros as they are, filled as
recipes and `preprocess_input` do it, where zeros at the end count as padding,
and filled at the end too.
"""

import argparse
import warnings

import numpy as np

import keras_skeleton as ks
from keras_skeleton.layers import augmentation


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="the file of NW-UCLA")
    options = parser.parse_args()
    _, test = ks.datasets.nw_ucla.load_data(options.data).split("xview")
    model = ks.applications.CTRGCN("nw_ucla", classes=10)
    card = ks.weights.get("ctrgcn", "nw_ucla")
    form = augmentation.deserialize_transforms(card.recipe["transforms"])
    ways = {
        "zeros": form,
        "filled": augmentation.filling_lost_frames(form),
        "filled, ends too": [augmentation.FillLostFrames(), *form],
    }
    print(f"| frames lost | {' | '.join(ways)} |")
    for share in (0.0, 0.25, 0.5):
        clips = without_frames(test, share)
        counts = []
        for transforms in ways.values():
            batches = clips.to_keras(transforms, batch_size=64, labels=False)
            scores = model.predict(batches, verbose=0)
            right = int((scores.argmax(axis=1) == test.labels).sum())
            counts.append(f"{right} ({right / len(test):.1%})")
        print(f"| {share:.0%} | {' | '.join(counts)} |", flush=True)


def without_frames(sequences, share, seed=0):
    """The clips with that share of the frames of each at zero."""
    generator = np.random.default_rng(seed)
    clips = []
    for index in range(len(sequences)):
        clip = sequences.clip(index).copy()
        frames = generator.permutation(clip.shape[1])
        clip[:, frames[: round(share * len(frames))]] = 0
        clips.append(clip)
    with warnings.catch_warnings():
        # Of the very frames that were taken away.
        warnings.simplefilter("ignore")
        return ks.datasets.Sequences.from_arrays(
            clips, sequences.labels, skeleton=sequences.skeleton
        )


if __name__ == "__main__":
    main()
