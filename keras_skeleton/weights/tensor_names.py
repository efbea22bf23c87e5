"""Names of the tensors of blocks that several systems have."""

import dataclasses

from keras_skeleton.weights.conversion import ConversionTable
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import transpose


@dataclasses.dataclass(frozen=True)
class ExactTable(ConversionTable):
    """A table whose entries have no places for numbers.

    Deep networks of many small tensors have hundreds of entries, which a
    search through all of them would take seconds for.
    """

    def __post_init__(self):
        index = {entry.variable: entry for entry in self.entries}
        object.__setattr__(self, "_index", index)

    def find(self, path):
        entry = self._index.get(path)
        return entry, entry and entry.official


def linear(official, ours, convert=transpose):
    """Weight and bias."""
    return [
        Entry(f"{official}.weight", f"{ours}/kernel", convert),
        Entry(f"{official}.bias", f"{ours}/bias"),
    ]


def affine(official, ours):
    """Layer normalization, or scale and offset of a batch normalization."""
    return [
        Entry(f"{official}.weight", f"{ours}/gamma"),
        Entry(f"{official}.bias", f"{ours}/beta"),
    ]


def statistics(official, ours):
    """Moving mean and variance of a batch normalization."""
    return [
        Entry(f"{official}.running_mean", f"{ours}/moving_mean"),
        Entry(f"{official}.running_var", f"{ours}/moving_variance"),
    ]


def norm(official, ours):
    """Batch normalization."""
    return [*affine(official, ours), *statistics(official, ours)]


def inside(entries, official="", ours=""):
    """Entries of a part whose names begin with others."""
    return [
        dataclasses.replace(
            entry,
            official=official + entry.official,
            variable=ours + entry.variable,
        )
        for entry in entries
    ]


def projector(official, ours):
    """A `Projector`."""
    return [
        *linear(f"{official}.0", f"{ours}/hidden"),
        *linear(f"{official}.2", f"{ours}/output"),
    ]


def scalar(array):
    """(1,) to ()."""
    return array.reshape(())


def queue(official, ours):
    """A `FeatureQueue` without columns."""
    return [
        Entry(official, f"{ours}/features", transpose),
        Entry(f"{official}_ptr", f"{ours}/position", scalar),
    ]


def transformer_block(official, ours):
    """A `TransformerBlock`."""
    return [
        *affine(f"{official}.norm1", f"{ours}/norm_1"),
        *linear(f"{official}.attn.qkv", f"{ours}/attention/qkv"),
        *linear(f"{official}.attn.proj", f"{ours}/attention/projection"),
        *affine(f"{official}.norm2", f"{ours}/norm_2"),
        *linear(f"{official}.mlp.fc1", f"{ours}/mlp_hidden"),
        *linear(f"{official}.mlp.fc2", f"{ours}/mlp_output"),
    ]


def pointwise(official, ours):
    """Pointwise convolution, a dense layer here."""
    return linear(official, ours, pointwise_kernel)


def pointwise_kernel(kernel):
    """(outputs, inputs, 1, 1) to (inputs, outputs)."""
    if kernel.ndim != 4 or kernel.shape[2:] != (1, 1):
        raise ValueError("expected a pointwise convolution, (out, in, 1, 1)")
    return kernel[:, :, 0, 0].T


def swap_ends(graphs):
    """(graphs, senders, receivers) to (graphs, receivers, senders)."""
    return graphs.transpose(0, 2, 1)


def temporal_kernel(kernel):
    """(outputs, inputs, frames, 1) to (frames, inputs, outputs)."""
    if kernel.ndim != 4 or kernel.shape[3] != 1:
        raise ValueError(
            "expected a convolution over time, (out, in, frames, 1)"
        )
    return kernel[..., 0].transpose(2, 1, 0)


def block(layer, official, ours):
    """A `SpatioTemporalBlock`."""
    graphs = len(layer.graph_convolution.values)
    graph_names = f"{official}.gcn1", f"{ours}/graph_convolution"
    if layer.multi_scale:
        over_joints = _refined_graphs(graphs, *graph_names)
        over_time = temporal_convolution(
            len(layer.temporal_convolution.dilations),
            f"{official}.tcn1.branches",
            f"{ours}/temporal_convolution",
        )
    else:
        over_joints = _shared_graphs(graphs, *graph_names)
        over_time = [
            *linear(
                f"{official}.tcn1.conv",
                f"{ours}/temporal_convolution",
                temporal_kernel,
            ),
            *norm(f"{official}.tcn1.bn", f"{ours}/temporal_norm"),
        ]
    return [
        *over_joints,
        *graph_end(*graph_names),
        *over_time,
        *pointwise(f"{official}.residual.conv", f"{ours}/shortcut"),
        *norm(f"{official}.residual.bn", f"{ours}/shortcut_norm"),
    ]


def graph_end(official, ours):
    """The normalization and the shortcut of a graph convolution."""
    return [
        *norm(f"{official}.bn", f"{ours}/norm"),
        *pointwise(f"{official}.down.0", f"{ours}/shortcut"),
        *norm(f"{official}.down.1", f"{ours}/shortcut_norm"),
    ]


def _shared_graphs(graphs, official, ours):
    # The official matrices have the senders in their rows.
    entries = [Entry(f"{official}.PA", f"{ours}/graph", swap_ends)]
    for s in range(graphs):
        entries += pointwise(f"{official}.conv_d.{s}", f"{ours}/value_{s}")
    return entries


def _refined_graphs(graphs, official, ours):
    entries = [
        Entry(f"{official}.PA", f"{ours}/graph"),
        Entry(f"{official}.alpha", f"{ours}/gate"),
    ]
    kinds = ("receiver", "sender", "value", "relation")
    for s in range(graphs):
        for number, kind in enumerate(kinds, start=1):
            entries += pointwise(
                f"{official}.convs.{s}.conv{number}", f"{ours}/{kind}_{s}"
            )
    return entries


def temporal_convolution(dilations, official, ours):
    entries = norm(f"{official}.{dilations}.4", f"{ours}/pooling_norm")
    for i in range(dilations + 2):
        entries += pointwise(f"{official}.{i}.0", f"{ours}/pointwise_{i}")
        entries += norm(f"{official}.{i}.1", f"{ours}/pointwise_norm_{i}")
    for i in range(dilations):
        entries += linear(
            f"{official}.{i}.3.conv", f"{ours}/convolution_{i}", temporal_kernel
        )
        entries += norm(f"{official}.{i}.3.bn", f"{ours}/convolution_norm_{i}")
    return entries
