"""What a model looks at: attention, saliency, learned graphs, a live page.

Maps have the axes (samples, persons, frames or segments, joints or patches).
`keras_skeleton.drawing` makes pictures of them.

Nothing here knows a system. Layers are asked for what they can show, by the
abilities that `keras_skeleton.layers` describes; a model may say by a method
`joints_of(layer)` which joints of its `skeleton` a layer has.
"""

from keras_skeleton.explain.attention import attention_layers
from keras_skeleton.explain.attention import attention_maps
from keras_skeleton.explain.attention import attention_rollout
from keras_skeleton.explain.attention import feature_grid
from keras_skeleton.explain.attention import frame_importance
from keras_skeleton.explain.attention import importance
from keras_skeleton.explain.attention import joint_attention
from keras_skeleton.explain.attention import joint_importance
from keras_skeleton.explain.attention import to_shares
from keras_skeleton.explain.attention import upsample
from keras_skeleton.explain.attribution import gradient_times_input
from keras_skeleton.explain.attribution import held_still
from keras_skeleton.explain.attribution import integrated_gradients
from keras_skeleton.explain.class_attention import class_attention
from keras_skeleton.explain.faithfulness import Faithfulness
from keras_skeleton.explain.faithfulness import faithfulness
from keras_skeleton.explain.parts import joints_of
from keras_skeleton.explain.parts import to_skeleton
from keras_skeleton.explain.reconstruction import draw_reconstruction
from keras_skeleton.explain.reconstruction import reconstruct
from keras_skeleton.explain.report import explain
from keras_skeleton.explain.saliency import class_probabilities
from keras_skeleton.explain.saliency import grad_cam
from keras_skeleton.explain.saliency import saliency
from keras_skeleton.explain.saliency import tf_keras_vis_grad_cam
from keras_skeleton.explain.saliency import tf_keras_vis_saliency
from keras_skeleton.explain.topology import HyperEdges
from keras_skeleton.explain.topology import block_joints
from keras_skeleton.explain.topology import clip_topology
from keras_skeleton.explain.topology import graph_blocks
from keras_skeleton.explain.topology import hyper_edges
from keras_skeleton.explain.topology import shared_topology

__all__ = [
    "Faithfulness",
    "HyperEdges",
    "attention_layers",
    "attention_maps",
    "attention_rollout",
    "block_joints",
    "class_attention",
    "class_probabilities",
    "clip_topology",
    "draw_reconstruction",
    "explain",
    "feature_grid",
    "faithfulness",
    "frame_importance",
    "grad_cam",
    "gradient_times_input",
    "graph_blocks",
    "held_still",
    "hyper_edges",
    "importance",
    "integrated_gradients",
    "joint_attention",
    "joint_importance",
    "joints_of",
    "reconstruct",
    "saliency",
    "shared_topology",
    "tf_keras_vis_grad_cam",
    "tf_keras_vis_saliency",
    "to_shares",
    "to_skeleton",
    "upsample",
]
