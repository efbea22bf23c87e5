"""Training without labels, and the recipes of training."""

from keras_skeleton.pretext.model import PretextModel
from keras_skeleton.pretext.momentum import update_momentum
from keras_skeleton.pretext.optimizers import SGD
from keras_skeleton.pretext.optimizers import LayerwiseAdamW
from keras_skeleton.pretext.optimizers import WarmupSteps
from keras_skeleton.pretext.optimizers import layerwise_scales
from keras_skeleton.pretext.optimizers import warmup_cosine
from keras_skeleton.pretext.queue import FeatureQueue
from keras_skeleton.pretext.resume import ResumeTraining

__all__ = [
    "SGD",
    "FeatureQueue",
    "LayerwiseAdamW",
    "PretextModel",
    "ResumeTraining",
    "WarmupSteps",
    "layerwise_scales",
    "update_momentum",
    "warmup_cosine",
]
