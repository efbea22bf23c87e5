"""Search space of Hyper-GCN."""

from keras_skeleton.applications import HyperGCN
from keras_skeleton.tuning.hypermodels import Training


class HyperGCNTraining(Training):
    """Search space for training Hyper-GCN.

    Searches the recipe of `Training`, size and width of the network, the
    virtual joints and what drives them apart, in how many hyper-edges a
    joint is, and the dropout of the head. Its arguments are those of
    `Training`.

    Example:

    ```python
    space = HyperGCNTraining(
        10,
        steps=80 * len(batches),
        input_shape=(1, 64, 20, 3),
        skeleton="nw_ucla",
        spaces={"blocks": "base", "hidden_dim": 128},
    )
    tuner = keras_tuner.BayesianOptimization(space, space.objective, 30)
    tuner.search(batches, validation_data=validation, epochs=80)
    ```
    """

    application = HyperGCN
    spaces = {
        **Training.spaces,
        "blocks": ["base", "large"],
        "hidden_dim": [64, 96, 128],
        "num_virtual_joints": [0, 1, 3, 5],
        "distinct_virtual_joints": [False, True],
        "num_neighbors": [5, 7, 9, 13],
        "divergence_weight": (0.0, 2.0),
        "dropout_rate": (0.0, 0.5),
    }
