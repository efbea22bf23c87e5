"""What models look at before Keras does: their inputs, and how to export."""

import pathlib

import keras

from keras_skeleton import _graph
from keras_skeleton.training import given
from keras_skeleton.training import targets

# Pairs of backend and format that Keras does not have, or that end in errors.
_CANNOT_EXPORT = (("torch", "tf_saved_model"), ("jax", "litert"))


class InputCheck:
    """Mixin of models: inputs of another form are refused with a reason.

    The model has the attribute `input_form`: the shape of its input without
    the batch, or a dict of such shapes by name.
    """

    #: Whether training takes what calls take, and not, say, several views.
    trains_on_inputs = True
    #: Pairs of backend and format of export in which this model is not to be
    #: had, while others are.
    cannot_export = ()

    def __call__(self, inputs, *args, **kwargs):
        form = self.input_form
        if isinstance(form, dict):
            self.check_names(inputs)
            for name, shape in form.items():
                self.check_input(f"{name!r}", inputs[name], shape)
        else:
            for array in keras.tree.flatten(inputs):
                self.check_input("clips", array, form)
        return super().__call__(inputs, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Computes outputs, see `keras.Model.predict`.

        Raises:
            ValueError: If the model cannot take the inputs, or they are not
                finite.
        """
        x = given.looked_at(
            self,
            x,
            form=self._form_of_data(),
            check=lambda x, y: targets.check_finite(x),
        )
        return super().predict(x, *args, **kwargs)

    def look_at(self, x, y=None):
        """The data of `fit` or `evaluate`, if something can be learned."""
        return given.looked_at(
            self,
            x,
            y,
            form=self._form_of_data(),
            check=self.check_data,
            labels=self.takes_labels,
        )

    def _form_of_data(self):
        return self.input_form if self.trains_on_inputs else None

    def check_names(self, inputs):
        """Raises a `ValueError` if they are no dict of all the inputs."""
        form = self.input_form
        if isinstance(inputs, dict) and set(inputs) == set(form):
            return
        found = type(inputs).__name__
        if isinstance(inputs, dict):
            found = f"{', '.join(map(repr, inputs))}"
            missing = [repr(name) for name in form if name not in inputs]
            if missing:
                found += f", without {', '.join(missing)}"
        raise ValueError(
            f"The model {self.name!r} takes a dictionary with the inputs "
            f"{', '.join(map(repr, form))}. Received: {found}"
        )

    def check_input(self, what, array, shape):
        """Raises a `ValueError` if an array has not the shape of an input."""
        if what == "clips" and getattr(self, "inputs", None):
            what = "video" if self.inputs[0].name == "video" else what
        found = tuple(array.shape)
        if found[1:] == shape:
            return
        axes = "persons, frames, joints, coordinates"
        if "video" in what:
            axes = "frames, rows, columns, channels"
        raise ValueError(
            f"The model {self.name!r} takes {what} of shape (samples, "
            f"{axes + ') with ' if len(shape) == 4 else '...) with '}{shape} "
            f"after the first axis. Received shape {found}. Check the order "
            "of the axes, and bring clips to the number of frames with "
            "`CropResize`; another layout needs a model with another "
            "`input_shape` and `skeleton`."
        )

    def export(self, filepath, format="tf_saved_model", **kwargs):
        """Writes the model for others to run, see `keras.Model.export`.

        Raises:
            ValueError: If there is no such way from this backend, the model
                exists for training alone, or there is no folder for the file.
        """
        backend = keras.backend.backend()
        if not getattr(self, "outputs", None):
            raise ValueError(
                f"{type(self).__name__} is there for training and is not "
                f"exported.{_graph.network_inside(self, 'Export')}"
            )
        if (backend, format) in (*_CANNOT_EXPORT, *self.cannot_export):
            other = "torch" if format == "onnx" else "tensorflow"
            way = "" if format == "onnx" else "Write 'onnx', or "
            raise ValueError(
                f"format={format!r} of {type(self).__name__} cannot be written "
                f"from {backend}. {way or 'Do this: '}save the model "
                "(`model.save('model.keras')`), load it with the environment "
                f"variable KERAS_BACKEND={other}, and export it there."
            )
        folder = pathlib.Path(filepath).absolute().parent
        if not folder.is_dir():
            raise ValueError(f"There is no folder {str(folder)!r}.")
        if backend != "tensorflow":
            # The exporters want to have seen the model run.
            self(keras.tree.map_structure(_one_like, self.input))
        return super().export(filepath, format=format, **kwargs)

    def make_train_function(self, force=False):
        # Else TensorFlow would make the optimizer's hundreds of variables
        # while it traces the first step: a fifth of the time of CTR-GCN's.
        if self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)


def _one_like(symbolic):
    return keras.ops.ones((1, *symbolic.shape[1:]), symbolic.dtype)
