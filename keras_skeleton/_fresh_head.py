"""Heads that nobody has trained, and who is told of them."""

import hashlib
import warnings


class FreshHead:
    """Mixin of models with a head that may have come without its weights.

    What is kept of it is a digest of its values: a head counts as trained as
    soon as they are others, in whatever way. The digest goes with a model
    that is saved.
    """

    _fresh_head = None
    _told_at = ()

    def note_fresh_head(self, digest=None) -> None:
        """Remembers that nobody has trained the head, if there is one.

        Args:
            digest: That of a model that was saved; the head gets its values
                later. By default that of the values it has.
        """
        if self.ends.get("classes") is not None:
            self._fresh_head = digest or self._head_digest()

    @property
    def fresh_head(self) -> str | None:
        """The digest of the head while nobody has trained it, or `None`."""
        found = self._fresh_head
        return found if found and found == self._head_digest() else None

    def _head_digest(self):
        import keras

        digest = hashlib.sha256()
        for variable in self.get_layer("predictions").weights:
            digest.update(keras.ops.convert_to_numpy(variable).tobytes())
        return digest.hexdigest()


def tell_fresh_head(model, place) -> None:
    """Warns, once at each place, where nobody has trained a model's head.

    Args:
        model: Any model.
        place: Name of what the model was passed to.
    """
    told = getattr(model, "_told_at", None)
    if told is None or place in told:
        return
    if not model.fresh_head:
        # Trained since: nobody needs to look again.
        model._fresh_head = None
        return
    model._told_at = (*told, place)
    warnings.warn(
        f"The head of {model.name!r} is not trained: the weights or the "
        f"encoder that it was built with have none for "
        f"{model.ends['classes']} classes. What it predicts is drawn at "
        "random; train it by `fit`.",
        stacklevel=3,
    )
