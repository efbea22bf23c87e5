"""How much any fixed filter over frames can gain on interpolated frames.

    python benchmarks/finetec_fills.py nw_ucla DATA_PATH

The drawn completion of FineTec, started from interpolation, has one set of
weights for all patterns of lost frames. This gives the errors of the best
linear maps of that kind, `(T, T)`, fitted by ridge regression to view 1 and
measured on view 2, beside those of interpolation, of the nearest frame
(duplication) and of a shape-preserving cubic through the frames that are left
(SciPy's PCHIP), which knows the gaps. Frames that are left stay as they are.
See `train_finetec.py` for the data and what is done to them.
"""

import argparse

import numpy as np
import train_finetec
import two_stages
from scipy import interpolate

from keras_skeleton import evaluation

PENALTIES = (1.0, 100.0, 1000.0)
TRAINING_SEEDS = range(1, 6)


def filled(options, clips, share, seed, method):
    """Filled clips, the true ones and which frames are lost, `(N, 1, T)`."""
    lossy = train_finetec.corrupted(clips, share, seed)
    chain = train_finetec.transforms(options.data_set, method, False)
    found = train_finetec.arrays(lossy, chain)[0]
    left = train_finetec.arrays(lossy, [])[0]
    true = train_finetec.true_places(train_finetec.arrays(clips, [])[0], left)
    return found, true, ~np.any(left != 0, axis=(3, 4))


def rows(clips):
    """Each coordinate of each joint over time, `(R, T)`."""
    frames = clips.shape[2]
    clips = clips.transpose(0, 1, 3, 4, 2)
    return clips.reshape(-1, frames).astype("float64")


def filter_errors(parts, test, lost):
    """The least error on `test` of linear maps fitted to `parts`."""
    found = np.concatenate([rows(x) for x, _, _ in parts])
    missing = np.concatenate([rows(y - x) for x, y, _ in parts])
    product = found.T @ found
    clips, true = test
    order = clips.transpose(0, 1, 3, 4, 2).shape
    errors = {}
    for penalty in PENALTIES:
        weights = np.linalg.solve(
            product + penalty * np.eye(len(product)), found.T @ missing
        )
        made = (rows(clips) @ weights).reshape(order).transpose(0, 1, 4, 2, 3)
        made = np.where(lost[..., None, None], clips + made, clips)
        errors[penalty] = evaluation.mpjpe(true, made)
    return errors


def cubic(clips, lost):
    """Clips whose inner gaps a shape-preserving cubic fills."""
    clips = clips.copy()
    for clip, gone in zip(clips[:, 0], lost[:, 0], strict=True):
        left = np.flatnonzero(~gone)
        if len(left) > 2:
            inner = np.arange(left[0], left[-1] + 1)
            curve = interpolate.PchipInterpolator(left, clip[left])
            clip[inner] = curve(inner)
    return clips


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_set", choices=two_stages.DATA_SETS)
    parser.add_argument("data_path")
    options = parser.parse_args()
    reader, protocol = two_stages.DATA_SETS[options.data_set]
    train, _ = reader.load_data(options.data_path).split(protocol)
    train, test = map(
        train_finetec.whole, two_stages.validation_parts(options, train)
    )
    print("| lost | duplication | interpolation | best filter | cubic |")
    print("|---|---|---|---|---|")
    for share in train_finetec.SHARES:
        found, true, lost = filled(options, test, share, 0, "interpolation")
        same, _, _ = filled(options, test, share, 0, "duplication")
        parts = [
            filled(options, train, share, seed, "interpolation")
            for seed in TRAINING_SEEDS
        ]
        errors = filter_errors(parts, (found, true), lost)
        cells = [
            evaluation.mpjpe(true, same),
            evaluation.mpjpe(true, found),
            min(errors.values()),
            evaluation.mpjpe(true, cubic(found, lost)),
        ]
        numbers = " | ".join(f"{cell:.4f}" for cell in cells)
        print(f"| {100 * share:g} % | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
