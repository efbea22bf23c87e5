"""What a model looks at: attention, saliency, drawings and a live page.

Maps have the axes (samples, persons, frames or segments, joints or patches).
Pictures take one sample, pages one clip.
"""

from keras_skeleton.explain.attention import attention_maps
from keras_skeleton.explain.attention import attention_rollout
from keras_skeleton.explain.attention import feature_grid
from keras_skeleton.explain.attention import frame_importance
from keras_skeleton.explain.attention import importance
from keras_skeleton.explain.attention import joint_attention
from keras_skeleton.explain.attention import joint_importance
from keras_skeleton.explain.attention import to_shares
from keras_skeleton.explain.attention import upsample
from keras_skeleton.explain.drawing import animate
from keras_skeleton.explain.drawing import draw_attention
from keras_skeleton.explain.drawing import draw_confusion_matrix
from keras_skeleton.explain.drawing import draw_heat_map
from keras_skeleton.explain.drawing import draw_skeleton
from keras_skeleton.explain.drawing import draw_strip
from keras_skeleton.explain.page import explain
from keras_skeleton.explain.page import write_page
from keras_skeleton.explain.saliency import class_probabilities
from keras_skeleton.explain.saliency import grad_cam
from keras_skeleton.explain.saliency import saliency
from keras_skeleton.explain.saliency import tf_keras_vis_grad_cam
from keras_skeleton.explain.saliency import tf_keras_vis_saliency

__all__ = [
    "animate",
    "attention_maps",
    "attention_rollout",
    "class_probabilities",
    "draw_attention",
    "draw_confusion_matrix",
    "draw_heat_map",
    "draw_skeleton",
    "draw_strip",
    "explain",
    "feature_grid",
    "frame_importance",
    "grad_cam",
    "importance",
    "joint_attention",
    "joint_importance",
    "saliency",
    "tf_keras_vis_grad_cam",
    "tf_keras_vis_saliency",
    "to_shares",
    "upsample",
    "write_page",
]
