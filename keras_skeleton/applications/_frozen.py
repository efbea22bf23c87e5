"""What of a model is frozen, kept with its arguments.

It is no argument, but a model that was saved frozen must not be trained as a
whole when it is loaded.
"""


class EncoderTraining:
    """A model of training whose arguments are its own and the encoder's."""

    def arguments_with(self, **own):
        """All arguments, and what is frozen, for `get_config`."""
        return {
            **self.encoder.settings,
            **own,
            "name": self.name,
            "dtype": self.dtype_policy.name,
            # Also if it is nothing: a new one may freeze some layers.
            "frozen": frozen_layers(self.encoder),
        }

    @classmethod
    def from_config(cls, config):
        config, frozen = without_frozen(config)
        model = cls(**config)
        freeze(model.encoder, frozen)
        return model


def frozen_layers(model):
    """Names of frozen layers, `outer/inner` of those inside others."""
    frozen = []
    for path, layer in _with_state(model):
        if not layer.trainable and not _lies_in(frozen, path):
            frozen.append(path)
    return frozen


def without_frozen(config):
    """The arguments in a configuration, and its frozen layers or `None`."""
    config = dict(config)
    frozen = config.pop("frozen", None)
    return config, frozen


def freeze(model, frozen):
    """Freezes these layers of a model and no others; `None` changes nothing."""
    if frozen is None:
        return
    for path, layer in _with_state(model):
        if layer.trainable == _lies_in(frozen, path):
            layer.trainable = not layer.trainable


def _with_state(layer, path=""):
    """Layers with weights inside another one, each before those inside it.

    Yields:
        Tuple of the names that lead to it, as `outer/inner`, and the layer.
    """
    for inner in layer._flatten_layers(recursive=False, include_self=False):
        if inner.weights:
            yield path + inner.name, inner
            yield from _with_state(inner, f"{path}{inner.name}/")


def _lies_in(paths, path):
    """Whether a path is one of some, or goes on from one."""
    return any(f"{path}/".startswith(f"{each}/") for each in paths)
