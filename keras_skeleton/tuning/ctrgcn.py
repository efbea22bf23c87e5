"""Search space of CTR-GCN."""

from keras_skeleton.applications import CTRGCN
from keras_skeleton.tuning.hypermodels import Training


class CTRGCNTraining(Training):
    """Search space for training CTR-GCN.

    Searches the recipe of `Training`, the width of the network, whether the
    graphs themselves are trained, and the dropout of the head. Its arguments
    are those of `Training`.

    Example:

    ```python
    space = CTRGCNTraining(
        10,
        steps=65 * len(batches),
        input_shape=(1, 52, 20, 3),
        skeleton="nw_ucla",
        spaces={"adaptive": True, "decay": ["cosine", "steps"]},
    )
    tuner = keras_tuner.BayesianOptimization(space, space.objective, 30)
    tuner.search(batches, validation_data=validation, epochs=65)
    ```
    """

    application = CTRGCN
    spaces = {
        **Training.spaces,
        "hidden_dim": [32, 48, 64, 96],
        "adaptive": [True, False],
        "dropout_rate": (0.0, 0.5),
    }
