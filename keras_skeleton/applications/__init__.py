"""Published systems, one module each."""

from keras_skeleton.applications import mamp
from keras_skeleton.applications.mamp import MAMP
from keras_skeleton.applications.mamp import MAMPPretext

__all__ = ["MAMP", "MAMPPretext", "mamp"]
