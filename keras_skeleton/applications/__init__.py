"""Published systems, one module each."""

from keras_skeleton.applications import ctrgcn
from keras_skeleton.applications import hypergcn
from keras_skeleton.applications import mamp
from keras_skeleton.applications import psumnet
from keras_skeleton.applications import stars
from keras_skeleton.applications.ctrgcn import CTRGCN
from keras_skeleton.applications.hypergcn import HyperGCN
from keras_skeleton.applications.mamp import MAMP
from keras_skeleton.applications.mamp import MAMPPretext
from keras_skeleton.applications.psumnet import PSUMNet
from keras_skeleton.applications.stars import STARS
from keras_skeleton.applications.stars import STARSPretext

__all__ = [
    "CTRGCN",
    "MAMP",
    "STARS",
    "HyperGCN",
    "MAMPPretext",
    "PSUMNet",
    "STARSPretext",
    "ctrgcn",
    "hypergcn",
    "mamp",
    "psumnet",
    "stars",
]
