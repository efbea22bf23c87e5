"""Masked prediction: hiding a part of each clip and predicting it."""

from keras import ops

from keras_skeleton.training.step_model import PretextModel


class MaskedPrediction(PretextModel):
    """Trains an encoder to predict what is hidden from it.

    A subclass says what is hidden (`hide`), predicted (`predict_hidden`) and
    targeted (`make_target`), token by token; and, where it is not the squared
    error, how both are compared (`error`). The loss is the mean error over
    the hidden tokens of the whole batch.

    Calling the model returns a dict with the `prediction` and the `target`,
    both `(B, L, values)`, and the `mask` `(B, L)`, 1 where a token is hidden.

    A subclass that predicts places of joints may have a method
    `restore(clips)`, which `keras_skeleton.explain.reconstruct` asks for.
    """

    def prepare(self, clips):
        """Brings clips `(N, M, T, V, C)` to the rows `(B, ...)` to mask."""
        return clips

    def hide(self, clips):
        """Chooses what to hide.

        Args:
            clips: What `prepare` returned.

        Returns:
            A tuple: what `predict_hidden` needs to know of the choice, and
            the mask `(B, L)`.
        """
        raise NotImplementedError

    def predict_hidden(self, clips, choice, training=None):
        """Predicts the values of all tokens, `(B, L, values)`.

        Args:
            clips: What `prepare` returned.
            choice: What `hide` returned first.
            training: Whether dropout acts.
        """
        raise NotImplementedError

    def make_target(self, clips):
        """What is to be predicted, `(B, L, values)`."""
        raise NotImplementedError

    def error(self, prediction, target):
        """The error of each token, `(B, L)`."""
        return ops.mean(ops.square(prediction - target), axis=-1)

    def call(self, clips, training=None):
        clips = self.prepare(clips)
        choice, mask = self.hide(clips)
        return {
            "prediction": self.predict_hidden(clips, choice, training),
            "target": self.make_target(clips),
            "mask": mask,
        }

    def hidden_loss(self, prediction, target, mask):
        """The loss of a batch: the mean error of the tokens with mask 1."""
        error = self.error(prediction, target) * mask
        # What is hidden may all be padding that does not count.
        return ops.sum(error) / ops.maximum(ops.sum(mask), 1)

    def objective(self, x, y, training):
        found = self(x, training=training)
        loss = self.hidden_loss(
            found["prediction"], found["target"], found["mask"]
        )
        return loss, {}, ()
