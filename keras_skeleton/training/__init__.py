"""What `fit` does: training steps of our own, and recipes of training."""

from keras_skeleton.training.model import PretextModel
from keras_skeleton.training.momentum import update_momentum
from keras_skeleton.training.optimizers import SGD
from keras_skeleton.training.optimizers import LayerwiseAdamW
from keras_skeleton.training.optimizers import WarmupSteps
from keras_skeleton.training.optimizers import layerwise_scales
from keras_skeleton.training.optimizers import warmup_cosine
from keras_skeleton.training.queue import FeatureQueue
from keras_skeleton.training.resume import ResumeTraining

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
