"""The network that CTR-GCN, its baseline and PSUMNet's streams share."""

import keras

from keras_skeleton import layers


def relation_channels(channels, small=()):
    """Channels in which joints are compared: an eighth, or 8 of few.

    Args:
        channels: Channels of the block's input.
        small: Numbers of channels from 8 on that also count as few.
    """
    return 8 if channels < 8 or channels in small else channels // 8


def features(
    clips,
    graph,
    plan,
    hidden_dim,
    *,
    small=(),
    adaptive=True,
    refined=True,
    relu=False,
    prefix="",
    dtype,
):
    """Feature map `(N, M, T', V, D)` of clips `(N, M, T, V, C)`.

    Args:
        clips: Symbolic tensor.
        graph: Array `(S, V, V)`.
        plan: For each block, its width in multiples of `hidden_dim` and its
            stride.
        hidden_dim: Channels of the first block.
        small: As in `relation_channels`.
        adaptive: Whether the graphs are trained.
        refined: Whether the graphs are refined for each clip and channel,
            and time is seen at several scales.
        relu: Whether a ReLU follows these, before the residual.
        prefix: Begins the name of every layer.
        dtype: Data type policy of the layers.
    """
    persons, _, joints, channels = clips.shape[1:]
    x = layers.PersonNormalization(name=f"{prefix}input_norm", dtype=dtype)(
        clips
    )
    x = layers.FoldPersons(name=f"{prefix}fold_persons", dtype=dtype)(x)
    for i, (width, stride) in enumerate(plan):
        arguments = {
            "filters": width * hidden_dim,
            "graph": graph,
            "adaptive": adaptive,
            "name": "graph_convolution",
            "dtype": dtype,
        }
        if refined:
            convolution = layers.ChannelTopologyGraphConvolution(
                relation_channels=relation_channels(channels, small),
                **arguments,
            )
        else:
            convolution = layers.GraphConvolution(**arguments)
        over_time = None
        if relu:
            over_time = layers.MultiScaleTemporalConvolution(
                width * hidden_dim,
                stride=stride,
                relu=True,
                name="temporal_convolution",
                dtype=dtype,
            )
        x = layers.SpatioTemporalBlock(
            convolution,
            stride=stride,
            residual=i > 0,
            multi_scale=refined,
            temporal_convolution=over_time,
            name=f"{prefix}block_{i}",
            dtype=dtype,
        )(x)
        channels = width * hidden_dim
    # Persons leave the batch as tokens would: a grid of frames and joints.
    return layers.TokenGrid(
        persons, x.shape[1], joints, name=f"{prefix}features", dtype=dtype
    )(x)


def logits(
    features,
    classes,
    *,
    activation=None,
    dropout_rate=0,
    stddev=None,
    prefix="",
    dtype,
):
    """Class scores of a feature map: its mean, then a dense layer.

    With `stddev`, its kernel begins as normal numbers of that deviation, and
    its bias as 0.
    """
    x = keras.layers.GlobalAveragePooling3D(
        name=f"{prefix}pooled", dtype=dtype
    )(features)
    if dropout_rate:
        x = keras.layers.Dropout(
            dropout_rate, name=f"{prefix}head_dropout", dtype=dtype
        )(x)
    limit = x.shape[-1] ** -0.5 if stddev is None else 0.0
    return keras.layers.Dense(
        classes,
        activation=activation,
        kernel_initializer=keras.initializers.RandomNormal(
            stddev=stddev or (2 / classes) ** 0.5
        ),
        bias_initializer=keras.initializers.RandomUniform(-limit, limit),
        name=f"{prefix}predictions",
        # The loss needs full precision whatever the layers compute in.
        dtype="float32",
    )(x)


def check_width(hidden_dim):
    """Raises a `ValueError` for a width that the branches cannot share."""
    if hidden_dim < 1 or hidden_dim % 4:
        raise ValueError(
            "`hidden_dim` must be a positive multiple of the 4 branches over "
            f"time. Received hidden_dim={hidden_dim}."
        )


def check_blocks(blocks, whole=True):
    """Raises a `ValueError` where blocks are not widths and strides.

    Args:
        blocks: What was passed.
        whole: Whether widths have to be whole numbers.
    """
    width_kinds = int if whole else (int, float)
    fits = (
        isinstance(blocks, tuple)
        and blocks
        and all(
            isinstance(block, tuple)
            and len(block) == 2
            and isinstance(block[0], width_kinds)
            and isinstance(block[1], int)
            and min(block) > 0
            for block in blocks
        )
    )
    if not fits:
        raise ValueError(
            "`blocks` must hold a pair (width, stride) of positive "
            f"{'whole ' if whole else ''}numbers for each block, the stride "
            f"a whole one. Received blocks={blocks!r}."
        )
