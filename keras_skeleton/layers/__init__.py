"""Blocks that systems share, and the transforms of skeleton clips.

A layer shows what it has learned by its abilities: methods that
`keras_skeleton.explain` asks every layer of a model for. They take what the
layer itself takes. A layer whose inputs are those of a layer inside passes on
its abilities, as blocks do.

`attention_weights(inputs)`
    How much each token takes from each other: `(B, heads, L, L)`, queries in
    rows, which add up to 1. Tokens are time-major. A layer of several tensors
    takes all, those that make queries first.

`with_attention(weights, inputs)`
    What the layer would return if its `attention_weights` were these, without
    dropout: to ask what a class score owes to them.

`topology(inputs=None)`
    Graphs that the layer convolves over: the weight at which the joint of the
    row receives from that of the column, virtual joints last. Without inputs
    those that all clips share, `(S, V', V')`. With inputs those of each row of
    the batch, `(B, S, V', V')`, or `(B, S, C, V', V')` where they differ from
    channel to channel; the shared ones again if they do not depend on it.
    Attention between the joints of each frame is shown so too, as its mean
    over frames with a graph for each head; there are no shared ones then.

`hyper_edges(inputs)`
    Tuple `(incidence, weights, graph)`: the share of joint (row) in hyper-edge
    (column), `(B, heads, V', E)`; the weights of the hyper-edges, `(B, heads,
    E)`; and the graph that they make of the joints, `(B, heads, V', V')`.

`B` counts samples, or samples and persons, persons last.
"""

import typing

from keras_skeleton._lazy import missing
from keras_skeleton.layers import augmentation as augmentation
from keras_skeleton.layers import graph as graph
from keras_skeleton.layers.activations import exact_gelu
from keras_skeleton.layers.anchors import AnchorMaps
from keras_skeleton.layers.anchors import AnchorVotes
from keras_skeleton.layers.anchors import anchor_grid
from keras_skeleton.layers.anchors import anchor_volume
from keras_skeleton.layers.anchors import anchor_votes
from keras_skeleton.layers.attention import CrossAttention
from keras_skeleton.layers.attention import SelfAttention
from keras_skeleton.layers.batch_normalization import BatchNormalization
from keras_skeleton.layers.crops import CropToCamera
from keras_skeleton.layers.drop_path import DropPath
from keras_skeleton.layers.embedding import JointEmbedding
from keras_skeleton.layers.embedding import PositionEmbedding
from keras_skeleton.layers.feature_drop import FeatureDrop
from keras_skeleton.layers.graph import AdaptiveHyperGraph
from keras_skeleton.layers.graph import ChannelTopologyGraphConvolution
from keras_skeleton.layers.graph import DivergenceRegularizer
from keras_skeleton.layers.graph import DynamicGraphConvolution
from keras_skeleton.layers.graph import GraphConvolution
from keras_skeleton.layers.graph import GraphIsomorphismLayer
from keras_skeleton.layers.graph import GraphIsomorphismNetwork
from keras_skeleton.layers.graph import HyperGraphConvolution
from keras_skeleton.layers.graph import PartitionGraphConvolution
from keras_skeleton.layers.graph import SpatioTemporalBlock
from keras_skeleton.layers.graph import body_graph
from keras_skeleton.layers.graph import partition_graph
from keras_skeleton.layers.graph import spatial_graph
from keras_skeleton.layers.graph import virtual_joint_graph
from keras_skeleton.layers.heatmaps import PoseHeatmaps
from keras_skeleton.layers.layer_normalization import LayerNormalization
from keras_skeleton.layers.layouts import FillJoints
from keras_skeleton.layers.layouts import LayoutDense
from keras_skeleton.layers.layouts import LayoutGraphConvolution
from keras_skeleton.layers.layouts import LayoutNormalization
from keras_skeleton.layers.masking import MaskToken
from keras_skeleton.layers.masking import MotionAwareMasking
from keras_skeleton.layers.mixed_temporal import MixedTemporalConvolution
from keras_skeleton.layers.person_normalization import PersonNormalization
from keras_skeleton.layers.persons import FoldPersons
from keras_skeleton.layers.persons import TokenGrid
from keras_skeleton.layers.point_blocks import FeaturePropagation
from keras_skeleton.layers.point_blocks import Interpolation
from keras_skeleton.layers.point_blocks import PointAttention
from keras_skeleton.layers.point_blocks import PointMLP
from keras_skeleton.layers.point_blocks import SetAbstraction
from keras_skeleton.layers.points import FarthestPoints
from keras_skeleton.layers.points import InterpolationWeights
from keras_skeleton.layers.points import PointGroups
from keras_skeleton.layers.points import TakePoints
from keras_skeleton.layers.points import farthest_points
from keras_skeleton.layers.points import gather_groups
from keras_skeleton.layers.points import interpolate
from keras_skeleton.layers.points import nearest_points
from keras_skeleton.layers.points import squared_distances
from keras_skeleton.layers.projector import Projector
from keras_skeleton.layers.recurrent import StackedGRU
from keras_skeleton.layers.style import style_transfer
from keras_skeleton.layers.temporal import MultiScaleTemporalConvolution
from keras_skeleton.layers.temporal import TemporalConvolution
from keras_skeleton.layers.tokens import gather_tokens
from keras_skeleton.layers.tokens import patchify
from keras_skeleton.layers.tokens import scatter_tokens
from keras_skeleton.layers.transformer import TransformerBlock

__all__ = [
    "AdaptiveHyperGraph",
    "AnchorMaps",
    "AnchorVotes",
    "BatchNormalization",
    "ChannelTopologyGraphConvolution",
    "CropToCamera",
    "CrossAttention",
    "DivergenceRegularizer",
    "DropPath",
    "DynamicGraphConvolution",
    "FarthestPoints",
    "FeatureDrop",
    "FeaturePropagation",
    "FillJoints",
    "FoldPersons",
    "GraphConvolution",
    "GraphIsomorphismLayer",
    "GraphIsomorphismNetwork",
    "HyperGraphConvolution",
    "Interpolation",
    "InterpolationWeights",
    "JointEmbedding",
    "LayerNormalization",
    "LayoutDense",
    "LayoutGraphConvolution",
    "LayoutNormalization",
    "MaskToken",
    "MixedTemporalConvolution",
    "MotionAwareMasking",
    "MultiScaleTemporalConvolution",
    "PartitionGraphConvolution",
    "PersonNormalization",
    "PointAttention",
    "PointGroups",
    "PointMLP",
    "PoseHeatmaps",
    "PositionEmbedding",
    "Projector",
    "SelfAttention",
    "SetAbstraction",
    "SpatioTemporalBlock",
    "StackedGRU",
    "TakePoints",
    "TemporalConvolution",
    "TokenGrid",
    "TransformerBlock",
    "anchor_grid",
    "anchor_volume",
    "anchor_votes",
    "body_graph",
    "exact_gelu",
    "farthest_points",
    "gather_groups",
    "gather_tokens",
    "interpolate",
    "nearest_points",
    "partition_graph",
    "patchify",
    "scatter_tokens",
    "spatial_graph",
    "squared_distances",
    "style_transfer",
    "virtual_joint_graph",
]


# Type checkers take a module that has it to have every name.
if not typing.TYPE_CHECKING:

    def __getattr__(name):
        raise missing(__name__, name)
