"""Search space of PSUMNet."""

from keras_skeleton.applications import PSUMNet
from keras_skeleton.tuning.hypermodels import Training


class PSUMNetTraining(Training):
    """Search space for training PSUMNet.

    Searches the recipe of `Training`, the width of the network and the
    dropout of the head. With `part`, it is the network of one part, the form
    in which the published ones are trained; without, the three together. Its
    arguments are those of `Training`.

    Example:

    ```python
    joints = applications.psumnet.part_of("nw_ucla", "hand").joints
    space = PSUMNetTraining(
        10,
        steps=80 * len(batches),
        part="hand",
        input_shape=(1, 52, len(joints), 12),
        skeleton="nw_ucla",
    )
    tuner = keras_tuner.BayesianOptimization(space, space.objective, 30)
    tuner.search(batches, validation_data=validation, epochs=80)
    ```
    """

    application = PSUMNet
    spaces = {
        **Training.spaces,
        "hidden_dim": [16, 32, 48, 64],
        "dropout_rate": (0.0, 0.5),
    }
