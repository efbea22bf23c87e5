"""Search spaces of MAMP."""

from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.tuning.hypermodels import FineTuning
from keras_skeleton.tuning.hypermodels import Pretraining


class MAMPFineTuning(FineTuning):
    """Search space for fine-tuning MAMP.

    Searches the recipe of `FineTuning`, the stochastic depth and the dropout
    of the head.

    Args:
        classes: Number of classes.
        steps: Optimizer steps of one training: batches times epochs.
        weights: Pretrained weights, see `MAMP`; random if left out.
        encoder: Function without arguments that returns a pretrained
            encoder, instead of `weights`. It is called for each trial and
            must return a new one, as training changes it.
        spaces: See `FineTuning`.
        warmup_share: See `FineTuning`.
        name: Name of the hypermodel.
        **arguments: Further arguments of `MAMP`.

    Example:

    ```python
    space = MAMPFineTuning(10, steps=50 * len(batches), weights=path)
    tuner = keras_tuner.BayesianOptimization(space, space.objective, 30)
    tuner.search(batches, validation_data=validation, epochs=50)
    ```
    """

    spaces = {
        **FineTuning.spaces,
        "drop_path_rate": (0.0, 0.4),
        "head_dropout_rate": (0.0, 0.5),
    }

    def __init__(
        self,
        classes,
        steps,
        weights=None,
        encoder=None,
        spaces=None,
        warmup_share=0.05,
        name="mamp_fine_tuning",
        **arguments,
    ):
        super().__init__(steps, spaces, warmup_share, name)
        if encoder is not None and (
            weights is not None or not callable(encoder) or _is_model(encoder)
        ):
            raise ValueError(
                "`encoder` must be a function that returns a new encoder for "
                "each trial, without `weights` beside it. Received "
                f"encoder={encoder!r} and weights={weights!r}."
            )
        self.classes = classes
        self.weights = weights
        self.encoder = encoder
        self.arguments = arguments

    def build_model(self, **arguments):
        encoder = None if self.encoder is None else self.encoder()
        return MAMP(
            self.weights,
            encoder=encoder,
            classes=self.classes,
            **{**self.arguments, **arguments},
        )


class MAMPPretraining(Pretraining):
    """Search space for pre-training MAMP.

    Searches the learning rate, the share of hidden tokens, the temperature
    of the preference for moving tokens, and depth and width of the decoder.
    With the loss as objective, the search favours hiding little: pass
    `labelled`, or fix `mask_ratio` and `masking_temperature` by `spaces`.

    Args:
        steps: Optimizer steps of one training: batches times epochs.
        spaces: See `FineTuning`.
        labelled: See `Pretraining`.
        warmup_share: See `FineTuning`.
        validate: See `Pretraining`.
        name: Name of the hypermodel.
        **arguments: Further arguments of `MAMPPretext`, such as
            `input_shape`.

    Example:

    ```python
    space = MAMPPretraining(
        steps=20 * len(clips),
        labelled=(train, held_out),
        input_shape=(1, 48, 20, 3),
        skeleton="nw_ucla",
    )
    tuner = keras_tuner.RandomSearch(space, space.objective, max_trials=10)
    tuner.search(clips, epochs=20)
    ```
    """

    spaces = {
        **Pretraining.spaces,
        "mask_ratio": (0.75, 0.95),
        "masking_temperature": (0.5, 1.0),
        "decoder_layers": [1, 2, 3, 5],
        "decoder_dim": [128, 256],
    }

    def __init__(
        self,
        steps,
        spaces=None,
        labelled=None,
        warmup_share=0.05,
        validate=False,
        name="mamp_pretraining",
        **arguments,
    ):
        super().__init__(steps, spaces, labelled, warmup_share, validate, name)
        self.arguments = arguments

    def build_model(self, **arguments):
        return MAMPPretext(**{**self.arguments, **arguments})


def _is_model(value):
    return hasattr(value, "get_weights")
