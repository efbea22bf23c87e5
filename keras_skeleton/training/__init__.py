"""What `fit` does: training steps of our own, and recipes of training."""

from keras_skeleton.training.affinity import ClassAffinity
from keras_skeleton.training.affinity import LabelledMemory
from keras_skeleton.training.body_mixing import BodyMixing
from keras_skeleton.training.contrast import Branch
from keras_skeleton.training.contrast import ConsistentContrast
from keras_skeleton.training.contrast import MomentumContrast
from keras_skeleton.training.distillation import SelfDistillation
from keras_skeleton.training.distillation import koleo
from keras_skeleton.training.distillation import mutual_distillation
from keras_skeleton.training.distillation import sinkhorn
from keras_skeleton.training.masked import MaskedPrediction
from keras_skeleton.training.momentum import twin
from keras_skeleton.training.momentum import update_momentum
from keras_skeleton.training.optimizers import SGD
from keras_skeleton.training.optimizers import LayerwiseAdamW
from keras_skeleton.training.optimizers import WarmupSteps
from keras_skeleton.training.optimizers import layerwise_scales
from keras_skeleton.training.optimizers import warmup_cosine
from keras_skeleton.training.prototypes import Prototypes
from keras_skeleton.training.queue import FeatureQueue
from keras_skeleton.training.queue import NeighborQueue
from keras_skeleton.training.recipe import Recipe
from keras_skeleton.training.resume import ResumeTraining
from keras_skeleton.training.step_model import PretextModel
from keras_skeleton.training.step_model import StepModel
from keras_skeleton.training.step_model import SupervisedModel

__all__ = [
    "SGD",
    "SelfDistillation",
    "BodyMixing",
    "Branch",
    "ClassAffinity",
    "ConsistentContrast",
    "FeatureQueue",
    "LabelledMemory",
    "LayerwiseAdamW",
    "MaskedPrediction",
    "MomentumContrast",
    "NeighborQueue",
    "PretextModel",
    "Prototypes",
    "Recipe",
    "ResumeTraining",
    "StepModel",
    "SupervisedModel",
    "WarmupSteps",
    "koleo",
    "layerwise_scales",
    "mutual_distillation",
    "sinkhorn",
    "twin",
    "update_momentum",
    "warmup_cosine",
]
