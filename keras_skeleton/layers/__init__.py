"""Blocks that systems share, and the transforms of skeleton clips."""

from keras_skeleton.layers.attention import SelfAttention
from keras_skeleton.layers.batch_normalization import BatchNormalization
from keras_skeleton.layers.drop_path import DropPath
from keras_skeleton.layers.embedding import JointEmbedding
from keras_skeleton.layers.embedding import PositionEmbedding
from keras_skeleton.layers.graph.block import SpatioTemporalBlock
from keras_skeleton.layers.graph.convolution import (
    ChannelTopologyGraphConvolution,
)
from keras_skeleton.layers.graph.convolution import GraphConvolution
from keras_skeleton.layers.graph.convolution import spatial_graph
from keras_skeleton.layers.graph.hypergraph import AdaptiveHyperGraph
from keras_skeleton.layers.graph.hypergraph import HyperGraphConvolution
from keras_skeleton.layers.graph.virtual_joints import DivergenceRegularizer
from keras_skeleton.layers.graph.virtual_joints import virtual_joint_graph
from keras_skeleton.layers.masking import MaskToken
from keras_skeleton.layers.masking import MotionAwareMasking
from keras_skeleton.layers.person_normalization import PersonNormalization
from keras_skeleton.layers.persons import FoldPersons
from keras_skeleton.layers.persons import TokenGrid
from keras_skeleton.layers.temporal import MultiScaleTemporalConvolution
from keras_skeleton.layers.temporal import TemporalConvolution
from keras_skeleton.layers.tokens import gather_tokens
from keras_skeleton.layers.tokens import patchify
from keras_skeleton.layers.tokens import scatter_tokens
from keras_skeleton.layers.transformer import TransformerBlock

__all__ = [
    "AdaptiveHyperGraph",
    "BatchNormalization",
    "ChannelTopologyGraphConvolution",
    "DivergenceRegularizer",
    "DropPath",
    "FoldPersons",
    "GraphConvolution",
    "HyperGraphConvolution",
    "JointEmbedding",
    "MaskToken",
    "MotionAwareMasking",
    "MultiScaleTemporalConvolution",
    "PersonNormalization",
    "PositionEmbedding",
    "SelfAttention",
    "SpatioTemporalBlock",
    "TemporalConvolution",
    "TokenGrid",
    "TransformerBlock",
    "gather_tokens",
    "patchify",
    "scatter_tokens",
    "spatial_graph",
    "virtual_joint_graph",
]
