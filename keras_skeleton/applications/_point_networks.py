"""The three networks of UniPose on the points of a frame.

Each takes `(B, P, C)`, places before other channels.
"""

import keras
from keras import ops

from keras_skeleton import layers
from keras_skeleton.applications._point_poses import HeatAndVectors
from keras_skeleton.applications._point_poses import JointsByVote
from keras_skeleton.layers.dense import uniform_dense

# What the smallest forms of the networks and of their training share.
TINY = {
    "skeleton": "itop15",
    "num_centers": (10, 4),
    "num_neighbors": (4, 4),
    "abstraction_widths": ((6, 8), (8, 8), (8, 12)),
    "propagation_widths": ((8,), (8, 6), (8,)),
    "head_dim": 6,
    "num_candidates": 4,
}


def hourglasses(points, joints, settings, dtype):
    """PointNet++ hourglasses, each after the first fed with all before it.

    Args:
        points: Symbolic tensor `(B, P, C)` of float32; the first of a cloud
            are the centres of groups.
        joints: Number of joints.
        settings: Dict of the settings of the application.
        dtype: Data type policy.

    Returns:
        List of symbolic tensors `(B, P, V, 4)`, one for each stage.
    """
    first, second = settings["num_centers"]
    places = points[..., :3]
    levels = [places, places[:, :first], places[:, :second]]
    groups, ways = [], []
    for i in (0, 1):
        groups.append(
            layers.PointGroups(
                settings["num_neighbors"][i],
                settings["squared_radii"][i],
                name=f"groups_{i + 1}",
                dtype="float32",
            )(levels[i + 1], levels[i])
        )
        ways.append(
            layers.InterpolationWeights(
                settings["num_interpolated"],
                name=f"ways_{i + 1}",
                dtype="float32",
            )(levels[i], levels[i + 1])
        )
    found, x = [], points
    for stage in range(1, settings["num_stages"] + 1):
        name = f"stage_{stage}"
        x1, x2, x3 = _abstraction(levels, x, groups, settings, name, dtype)
        up = [
            layers.FeaturePropagation(
                widths, name=f"{name}_propagation_{i}", dtype=dtype
            )
            for i, widths in enumerate(settings["propagation_widths"], 1)
        ]
        y = up[0](x3, x2)
        y = up[1](y, x1, *ways[1])
        y = up[2](y, x, *ways[0])
        heat, vectors = (
            _head(y, kind, units, settings, name, dtype)
            for kind, units in (("heat", joints), ("vectors", 3 * joints))
        )
        found.append(
            HeatAndVectors(name=f"{name}_heat_and_vectors", dtype=dtype)(
                heat, vectors
            )
        )
        if stage < settings["num_stages"]:
            flat = keras.layers.Reshape(
                (points.shape[1], 4 * joints), name=f"{name}_flat", dtype=dtype
            )(found[-1])
            x = keras.layers.Concatenate(
                name=f"stage_{stage + 1}_inputs", dtype="float32"
            )([points, y, flat])
    return found


def _abstraction(places, x, groups, settings, name, dtype):
    """Features of the points of two levels, and of the whole cloud.

    Args:
        places: The places of all points, and of the centres of two levels.
        x: Places and features of all points.
        groups: Members of the groups of two levels.
        settings: Dict of the settings.
        name: Name of the stage.
        dtype: Data type policy.
    """
    features = x[..., 3:] if x.shape[-1] > 3 else None
    layer = [
        layers.SetAbstraction(
            widths, name=f"{name}_abstraction_{i}", dtype=dtype
        )
        for i, widths in enumerate(settings["abstraction_widths"], 1)
    ]
    x1 = layer[0](places[0], features, groups[0], places[1])
    x2 = layer[1](places[1], x1, groups[1], places[2])
    return x1, x2, layer[2](places[2], x2)


def _spread(places, number, name):
    """Places of points that are spread over a cloud."""
    chosen = layers.FarthestPoints(number, name=name, dtype="float32")(places)
    return layers.TakePoints(name=f"{name}_places", dtype="float32")(
        places, chosen
    )


def head_widths(settings):
    """Channels of the layers of a head before the last."""
    widths = settings["head_dim"]
    return (widths,) if isinstance(widths, int) else tuple(widths)


def _head(x, kind, units, settings, name, dtype):
    x = layers.PointMLP(
        head_widths(settings), name=f"{name}_{kind}_hidden", dtype=dtype
    )(x)
    x = keras.layers.Dropout(
        settings["dropout_rate"], name=f"{name}_{kind}_dropout", dtype=dtype
    )(x)
    return _dense(
        units,
        x.shape[-1],
        f"{name}_{kind}",
        dtype,
        "sigmoid" if kind == "heat" else None,
    )(x)


def _dense(units, inputs, name, dtype, activation=None):
    return uniform_dense(units, inputs, name, dtype, activation)


def point_transformer(points, joints, settings, dtype):
    """Attention between neighbours on several levels, down and up again.

    As `hourglasses`, in one stage; points may come in any order.
    """
    dim, number = settings["embed_dim"], settings["num_neighbors"]

    def mlp(x, name, *units, last=None):
        for i, width in enumerate(units):
            is_last = i == len(units) - 1
            x = _dense(
                width,
                x.shape[-1],
                f"{name}_{i}",
                dtype,
                last if is_last else "relu",
            )(x)
        return x

    def attend(x, name, level):
        return layers.PointAttention(
            settings["attention_dim"], name=name, dtype=dtype
        )(places[level], x, neighbours[level])

    def around(centers, points, name):
        return layers.PointGroups(number, name=name, dtype="float32")(
            centers, points
        )

    places = [points[..., :3]]
    neighbours = [around(places[0], places[0], "neighbours_0")]
    x = attend(mlp(points, "embedding", dim, dim), "attention_down_0", 0)
    kept = [x]
    for i, count in enumerate(settings["num_centers"], 1):
        above = places[-1]
        centers = _spread(above, count, f"centers_{i}")
        places.append(centers)
        neighbours.append(around(centers, centers, f"neighbours_{i}"))
        x = layers.SetAbstraction(
            2 * (dim * 2**i,), name=f"down_{i}", dtype=dtype
        )(above, x, around(centers, above, f"groups_{i}"), centers)
        x = attend(x, f"attention_down_{i}", i)
        kept.append(x)
    last = len(places) - 1
    bottom = 2 * (settings["bottom_dim"],)
    x = mlp(x, "bottom", *bottom, dim * 2**last)
    x = attend(x, "attention_bottom", last)
    for i in reversed(range(last)):
        width = (dim * 2**i,)
        coarse, skip = (
            layers.PointMLP(width, name=f"up_{i}_{what}", dtype=dtype)(of)
            for what, of in (("coarse", x), ("skip", kept[i]))
        )
        ways = layers.InterpolationWeights(name=f"ways_{i}", dtype="float32")(
            places[i], places[i + 1]
        )
        x = layers.Interpolation(name=f"up_{i}_interpolated", dtype=dtype)(
            coarse, *ways
        )
        x = keras.layers.Add(name=f"up_{i}", dtype=dtype)([x, skip])
        x = attend(x, f"attention_up_{i}", i)
    hidden = 2 * (2 * dim,)
    heat = mlp(x, "heat", *hidden, joints, last="sigmoid")
    vectors = mlp(x, "vectors", *hidden, 3 * joints)
    return [
        HeatAndVectors(name="stage_1_heat_and_vectors", dtype=dtype)(
            heat, vectors
        )
    ]


def voting(points, joints, settings, dtype):
    """PointNet++ whose points of the first level vote for joints.

    As `hourglasses`, of a cloud in metres.

    Returns:
        Symbolic tensor `(B, V, 3)`, joints in metres.
    """
    mean = ops.mean(points[..., :3], axis=1, keepdims=True)
    places = [points[..., :3] - mean]
    groups = []
    for i, count in enumerate(settings["num_centers"]):
        centers = _spread(places[-1], count, f"centers_{i + 1}")
        groups.append(
            layers.PointGroups(
                settings["num_neighbors"][i],
                settings["squared_radii"][i],
                order="index",
                name=f"groups_{i + 1}",
                dtype="float32",
            )(centers, places[-1])
        )
        places.append(centers)
    x1, x2, x3 = _abstraction(
        places, points, groups, settings, "stage_1", dtype
    )
    wide, narrow = (
        layers.FeaturePropagation(
            widths,
            skip_first=True,
            name=f"stage_1_propagation_{i}",
            dtype=dtype,
        )
        for i, widths in enumerate(settings["propagation_widths"][:2], 1)
    )
    x = wide(x3, x2)
    ways = layers.InterpolationWeights(
        settings["num_interpolated"], name="ways_2", dtype="float32"
    )(places[1], places[2])
    x = narrow(x, x1, *ways)
    x = layers.PointMLP(
        head_widths(settings), name="votes_hidden", dtype=dtype
    )(x)
    offsets, logits = (
        _dense(units, x.shape[-1], name, dtype)(x)
        for name, units in (("offsets", 3 * joints), ("votes", joints))
    )
    found = JointsByVote(name="joints_of_votes", dtype="float32")(
        places[1], offsets, logits
    )
    return found + mean
