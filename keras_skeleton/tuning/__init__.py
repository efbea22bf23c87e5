"""Search for hyper-parameters with KerasTuner.

Each application brings its `search_space`, which is searched together with the
recipe of its training. Needs `pip install keras-skeleton[tune]`.
"""

from keras_skeleton._lazy import on_first_use

with on_first_use(globals()):
    from keras_skeleton.tuning.hypermodels import FineTuning as FineTuning
    from keras_skeleton.tuning.hypermodels import Pretraining as Pretraining
    from keras_skeleton.tuning.hypermodels import Training as Training
    from keras_skeleton.tuning.hypermodels import draw as draw
