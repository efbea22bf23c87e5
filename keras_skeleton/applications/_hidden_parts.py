"""Parts of the body that SkeletonMAE hides, and where it expects them."""

import numpy as np
from keras import ops

# The published parts of the body, where they are not those of our layout.
PARTS = {
    "coco17": {
        "head": (0, 1, 2, 3, 4),
        "torso": (5, 6, 11, 12),
        "left_arm": (7, 9),
        "right_arm": (8, 10),
        "left_leg": (13, 15),
        "right_leg": (14, 16),
    }
}


def joints_of(skeleton, parts, hidden):
    """For each part that may be hidden the joints that it has, as a mask.

    Args:
        skeleton: The `Skeleton`.
        parts: Dict from the name of a part to its joints, or `None`.
        hidden: Names of parts, or how many are drawn.

    Returns:
        float32 array `(parts, V)`.
    """
    if parts is None:
        parts = PARTS.get(skeleton.name, skeleton.parts)
    if isinstance(hidden, tuple):
        missing = [name for name in hidden if name not in parts]
        if missing or not hidden:
            raise ValueError(
                "`hidden_parts` must be names of parts, or how many to draw. "
                f"Received hidden_parts={hidden}, and the skeleton "
                f"{skeleton.name!r} has the parts {', '.join(parts) or 'none'}"
                ": choose among them, or pass `parts`."
            )
        parts = {name: parts[name] for name in hidden}
    elif not 0 < hidden < len(parts):
        raise ValueError(
            f"Of the {len(parts)} parts of the skeleton {skeleton.name!r}, at "
            "least one has to be hidden and one to be seen. Received "
            f"hidden_parts={hidden}."
        )
    masks = np.zeros((len(parts), skeleton.num_joints), "float32")
    for row, (name, joints) in zip(masks, parts.items(), strict=True):
        if not joints or not set(joints) <= set(range(len(row))):
            raise ValueError(
                f"The part {name!r} must have some of the joints 0 to "
                f"{len(row) - 1}. Received {tuple(joints)}."
            )
        row[list(joints)] = 1
    if isinstance(hidden, tuple) and masks.max(axis=0).all():
        raise ValueError(
            f"hidden_parts={hidden} leaves no joint to be seen: hide fewer."
        )
    return masks


def nearest_places(predicted, embedding):
    """The places of joints whose embeddings are nearest to predictions.

    The length of a prediction does not count: of all embeddings, the one in
    the most similar direction does.

    Args:
        predicted: float32 tensor `(..., D)`.
        embedding: The dense layer from coordinates to `D` features.

    Returns:
        Tensor `(..., C)`; far away where no place is near.
    """
    # An embedded joint of any length is a sum of these rows.
    basis = ops.concatenate([embedding.kernel, embedding.bias[None]])
    product = ops.matmul(basis, ops.transpose(basis))
    shares = ops.matmul(predicted, ops.transpose(basis))
    shares = ops.matmul(shares, ops.inv(product))
    return shares[..., :-1] / ops.maximum(shares[..., -1:], 1e-6)
