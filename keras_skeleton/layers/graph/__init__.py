"""Graphs of the body, convolutions over them, and stacks of these."""

from keras_skeleton.layers.graph.block import SpatioTemporalBlock
from keras_skeleton.layers.graph.convolution import (
    ChannelTopologyGraphConvolution,
)
from keras_skeleton.layers.graph.convolution import GraphConvolution
from keras_skeleton.layers.graph.convolution import PartitionGraphConvolution
from keras_skeleton.layers.graph.dynamic import DynamicGraphConvolution
from keras_skeleton.layers.graph.hypergraph import AdaptiveHyperGraph
from keras_skeleton.layers.graph.hypergraph import HyperGraphConvolution
from keras_skeleton.layers.graph.isomorphism import GraphIsomorphismLayer
from keras_skeleton.layers.graph.isomorphism import GraphIsomorphismNetwork
from keras_skeleton.layers.graph.skeleton_graphs import body_graph
from keras_skeleton.layers.graph.skeleton_graphs import partition_graph
from keras_skeleton.layers.graph.skeleton_graphs import spatial_graph
from keras_skeleton.layers.graph.skeleton_graphs import virtual_joint_graph
from keras_skeleton.layers.graph.virtual_joints import DivergenceRegularizer

__all__ = [
    "AdaptiveHyperGraph",
    "ChannelTopologyGraphConvolution",
    "DivergenceRegularizer",
    "DynamicGraphConvolution",
    "GraphConvolution",
    "GraphIsomorphismLayer",
    "GraphIsomorphismNetwork",
    "HyperGraphConvolution",
    "PartitionGraphConvolution",
    "SpatioTemporalBlock",
    "body_graph",
    "partition_graph",
    "spatial_graph",
    "virtual_joint_graph",
]
