"""Readers, one module for each data set or file format.

What they share is in `base`: a `Reader` says what there is to read, `collect`
reads it into `Sequences`.
"""

from keras_skeleton._lazy import on_first_use

with on_first_use(globals()):
    from keras_skeleton.datasets.readers.base import Clip as Clip
    from keras_skeleton.datasets.readers.base import Reader as Reader
    from keras_skeleton.datasets.readers.base import Skipped as Skipped
    from keras_skeleton.datasets.readers.base import collect as collect
