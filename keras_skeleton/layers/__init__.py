"""Blocks that systems share, and the transforms of skeleton clips."""

from keras_skeleton.layers.attention import SelfAttention
from keras_skeleton.layers.batch_normalization import BatchNormalization
from keras_skeleton.layers.drop_path import DropPath
from keras_skeleton.layers.embedding import JointEmbedding
from keras_skeleton.layers.embedding import PositionEmbedding
from keras_skeleton.layers.masking import MaskToken
from keras_skeleton.layers.masking import MotionAwareMasking
from keras_skeleton.layers.persons import FoldPersons
from keras_skeleton.layers.persons import TokenGrid
from keras_skeleton.layers.tokens import gather_tokens
from keras_skeleton.layers.tokens import patchify
from keras_skeleton.layers.tokens import scatter_tokens
from keras_skeleton.layers.transformer import TransformerBlock

__all__ = [
    "BatchNormalization",
    "DropPath",
    "FoldPersons",
    "JointEmbedding",
    "MaskToken",
    "MotionAwareMasking",
    "PositionEmbedding",
    "SelfAttention",
    "TokenGrid",
    "TransformerBlock",
    "gather_tokens",
    "patchify",
    "scatter_tokens",
]
