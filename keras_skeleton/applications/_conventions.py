"""What goes into the models of all systems, and what comes out."""

import numpy as np

from keras_skeleton._arrays import to_numpy
from keras_skeleton.datasets import _coordinates
from keras_skeleton.datasets import _pose_forms
from keras_skeleton.datasets import formats
from keras_skeleton.layers import augmentation


def conventions(system, num_frames):
    """The two functions that every module of a system offers.

    Args:
        system: Name of the system.
        num_frames: Frames of a clip in the published evaluation.

    Returns:
        The functions `preprocess_input` and `decode_predictions`.
    """

    def preprocess_input(clips, weights=None, lengths=None):
        """Brings clips of any length to the form that a model takes.

        Args:
            clips: Array `(N, M, T, V, C)`, zero-padded at the end, in metres.
            weights: Name of registered weights of the system: all transforms
                that their card names are done, without chance, the stream
                included. By default, what published evaluations on NTU RGB+D
                begin with: the middle 95 % of the valid frames, resized in
                time by linear interpolation; coordinates stay as they are.
                Frames in which nobody was found, between others, are filled
                first (`FillLostFrames`).
            lengths: Frames of each clip, `(N,)`. By default, up to the last
                that is not all zero.

        Returns:
            Tensor `(N, M, T', V', C')`.

        Raises:
            ValueError: If there are no such weights, or the clips have other
                joints or coordinates than these were trained on.
        """
        transforms, scores = _transforms(system, weights, num_frames)
        transforms = augmentation.filling_lost_frames(transforms)
        for transform in _coordinates.keeping_scores(
            transforms, scores, clips.shape
        ):
            after = lengths
            if lengths is not None:
                after = transform.new_lengths(clips, None, lengths)
            clips = transform(clips, lengths=lengths, training=False)
            lengths = after
        return clips

    def decode_predictions(predictions, class_names, top=5):
        """Turns rows of class scores into named classes.

        Args:
            predictions: Array `(N, classes)` of probabilities, or of logits,
                of which probabilities are made.
            class_names: Names of the classes, in label order; or the name of
                registered weights of the system, or of a data set (a key of
                `datasets.formats.FORMATS`).
            top: How many classes to return for each row.

        Returns:
            For each row a list of `(class name, probability)`, best first.

        Raises:
            ValueError: If there are not as many names as columns.

        Example:

        >>> names = ["sit down", "stand up"]
        >>> decode_predictions([[0.1, 2.0]], names, top=1)
        [[('stand up', 0.8698915243148804)]]
        """
        names = class_names
        if isinstance(names, str):
            names = _names_of(system, names)
        scores = to_numpy(predictions, "float32")
        if scores.ndim != 2 or scores.shape[1] != len(names):
            raise ValueError(
                "`predictions` must have one row per clip and one column per "
                f"class name. Received predictions of shape {scores.shape} "
                f"and {len(names)} class names: pass the names of the data "
                "set that the model was trained on."
            )
        scores = _probabilities(scores)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        return [
            [(names[i], float(row[i])) for i in order]
            for row, order in zip(scores, best, strict=True)
        ]

    return preprocess_input, decode_predictions


def _transforms(system, weights, num_frames):
    """The transforms, and how many of the last coordinates are scores."""
    if weights is None:
        return [augmentation.CropResize(num_frames, interval=(0.95,))], 0
    from keras_skeleton.weights import registry

    recipe = registry.get(system, weights).recipe
    if not recipe:
        raise ValueError(
            f"The card of the weights {weights!r} of {system} does not say "
            "what to do with clips."
        )
    scores = 0
    if recipe.get("form") or recipe.get("data_set") in _pose_forms.FORMS:
        form = _pose_forms.form_of(recipe, repr(weights))
        scores = _coordinates.count_scores(form.coordinates)
    return augmentation.deserialize_transforms(recipe["transforms"]), scores


def _names_of(system, name):
    from keras_skeleton.weights import registry

    known = registry.names(system=system)
    if name in known:
        return registry.get(system, name).class_names
    if name in formats.FORMATS:
        return formats.class_names(name)
    raise ValueError(
        f"{name!r} names neither weights of {system} ({', '.join(known)}) nor "
        f"a data set ({', '.join(formats.FORMATS)})."
    )


def _probabilities(scores):
    """Rows that are probabilities as they are, softmax of all others."""
    total = scores.sum(axis=1, keepdims=True)
    is_given = (scores >= 0).all() and np.allclose(total, 1, atol=1e-3)
    if is_given:
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
