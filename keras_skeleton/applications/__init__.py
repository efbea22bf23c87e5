"""Published systems, one module each."""

from keras_skeleton.applications import ctrgcn
from keras_skeleton.applications import hypergcn
from keras_skeleton.applications import mamp
from keras_skeleton.applications import psumnet
from keras_skeleton.applications.ctrgcn import CTRGCN
from keras_skeleton.applications.hypergcn import HyperGCN
from keras_skeleton.applications.mamp import MAMP
from keras_skeleton.applications.mamp import MAMPPretext
from keras_skeleton.applications.psumnet import PSUMNet

__all__ = [
    "CTRGCN",
    "MAMP",
    "HyperGCN",
    "MAMPPretext",
    "PSUMNet",
    "ctrgcn",
    "hypergcn",
    "mamp",
    "psumnet",
]
