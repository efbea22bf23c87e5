"""How much is left where frames are lost and joints jitter."""

import time

import numpy as np

from keras_skeleton import _inputs
from keras_skeleton.evaluation import features as feature_extraction
from keras_skeleton.evaluation import measured
from keras_skeleton.evaluation import neighbors
from keras_skeleton.evaluation import parts
from keras_skeleton.evaluation import progress
from keras_skeleton.evaluation.probe import linear_probe
from keras_skeleton.evaluation.result import Result
from keras_skeleton.layers import augmentation


def robustness(
    model,
    train,
    test,
    *,
    method=None,
    corruptions=None,
    fill=None,
    transforms=None,
    feature_batch_size=64,
    seed=0,
    verbose=0,
    **recipe,
) -> Result:
    """Measures on test clips with lost frames and with jittered joints.

    What classifies was trained on whole clips, and sees them corrupted only
    now. The draws of a clip depend on `seed` and on its number alone, so that
    all systems see the same gaps.

    The corruption follows the last transform that chooses frames, so that
    streams are made of corrupted joints; to clips that are passed as arrays
    or batches it is done as they are.

    Args:
        model: A classifier; or an encoder, see `linear_probe`.
        train: Training clips with labels, of which a classifier uses none.
        test: Test clips with labels.
        method: What classifies the features of an encoder: `"knn"`, its
            nearest neighbour, or `"linear"`, a `linear_probe`. By default the
            model itself if it is a classifier, else `"knn"`.
        corruptions: Dict of random transforms by name. By default a quarter,
            half and three quarters of the frames are lost, and joints moved
            by 1, 2 and 5 % of the diagonal of the person's box.
        fill: How the default corruptions fill lost frames, see
            `CorruptFrames`.
        transforms: See `linear_probe`.
        feature_batch_size: See `linear_probe`.
        seed: Seed of the corruption.
        verbose: 1 for a progress bar over the corruptions.
        **recipe: Further arguments of `linear_probe`.

    Returns:
        A `Result` with the score `"clean"` and one for each corruption. The
        confusion is that of the clean clips.

    Raises:
        ValueError: As `linear_probe`.

    Example:

    ```python
    robustness(classifier, *data.split("xsub"), fill="interpolation")
    ```
    """
    start = time.perf_counter()
    method = _check_method(model, method)
    train = parts.Part(train, model, "training", transforms, feature_batch_size)
    test = parts.Part(test, model, "test", transforms, feature_batch_size)
    classify, settings = _classifier(model, method, train, test, seed, recipe)
    shape = _clip_shape(test)
    if corruptions is None:
        corruptions = default_corruptions(shape, fill)
    elif not isinstance(corruptions, dict):
        raise ValueError(
            "`corruptions` must be a dict of transforms by the names of their "
            f"scores. Received: {corruptions!r}"
        )
    predicted = {}
    bar = progress.bar(1 + len(corruptions), "corruption", verbose)
    for name, corruption in {"clean": None, **corruptions}.items():
        batches = _Corrupted(test, corruption, seed)
        predicted[name], labels = classify(batches)
        bar.add(1)
    labels = test.checked(labels)
    is_copy = parts.copies(train, test)
    return measured.finished(
        "robustness",
        model,
        start,
        **measured.compared(predicted, labels, test, is_copy),
        settings={"method": method, "fill": fill, "seed": seed, **settings},
    )


def default_corruptions(shape, fill=None) -> dict:
    """Lost frames and jittered joints of three strengths each.

    Args:
        shape: Shape `(M, T, V, C)` of the clips.
        fill: See `CorruptFrames`.

    Returns:
        Dict of transforms by name.
    """
    return {
        **{
            f"{100 * share:g} % frames lost": augmentation.CorruptFrames(
                shape[1], share, fill
            )
            for share in (0.25, 0.5, 0.75)
        },
        **{
            f"{100 * sigma:g} % jitter": augmentation.RandomNoise(shape, sigma)
            for sigma in (0.01, 0.02, 0.05)
        },
    }


def _check_method(model, method):
    is_classifier = any(x.name == "predictions" for x in model.layers)
    if method is None:
        return "classifier" if is_classifier else "knn"
    if method not in ("knn", "linear"):
        raise ValueError(
            "`method` must be None, 'knn' or 'linear'. Received: "
            f"method={method!r}"
        )
    return method


def _classifier(model, method, train, test, seed, recipe):
    """A function from batches to predicted classes and labels, and settings."""
    settings = {}
    if method == "linear":
        probe = linear_probe(
            model, train.batches, test.batches, seed=seed, **recipe
        )
        model, settings = probe.model, probe.settings
    elif recipe:
        raise ValueError(
            f"{', '.join(recipe)} belong to method='linear'. Received "
            f"method={method!r}."
        )
    if method == "knn":
        encoder = feature_extraction.feature_model(model)
        memory = train.predict(encoder)

        def classify(batches):
            found, labels = feature_extraction.predict(encoder, batches)
            return neighbors.knn(*memory, found), labels

        return classify, settings

    def classify(batches):
        scores, labels = feature_extraction.predict(model, batches)
        return scores.argmax(axis=1), labels

    return classify, settings


def _clip_shape(test):
    """Shape `(M, T, V, C)` of the clips that are corrupted."""
    inputs, _ = next(iter(_Corrupted(test, None, 0).clean()))
    return _inputs.skeletons_of(inputs).shape[-4:]


class _Corrupted:
    """Batches of a part whose clips are corrupted on their way to the model.

    Args:
        part: The `Part`.
        corruption: A random transform, or `None`.
        seed: Seed of its draws.
    """

    def __init__(self, part, corruption, seed):
        self.part, self.seed = part, seed
        self.corruption = corruption and corruption.twin("numpy")
        self.after = []
        if part.is_in_order:
            choices = [
                isinstance(each, augmentation.FrameChoice)
                for each in part.transforms
            ]
            cut = 1 + max(np.flatnonzero(choices), default=-1)
            self.before = part.transforms[:cut]
            self.after = [each.twin("numpy") for each in part.transforms[cut:]]

    def clean(self):
        """Batches as far as the corruption."""
        part = self.part
        batches = part.batches
        if part.is_in_order:
            batches = part.sequences.to_keras(self.before, part.batch_size)
        yield from feature_extraction.batches_of(batches, part.batch_size)

    def __iter__(self):
        start = 0
        for inputs, labels in self.clean():
            clips = _inputs.skeletons_of(inputs)
            if self.corruption is not None:
                clips = self._corrupt(clips, start)
            start += len(clips)
            for transform in self.after:
                clips = transform.call(clips)
            if isinstance(inputs, dict):
                clips = {**inputs, _inputs.SKELETONS: clips}
            yield clips, labels

    def _corrupt(self, clips, start):
        draws = augmentation.corruption_draws(
            self.corruption, range(start, start + len(clips)), self.seed
        )
        if clips.ndim == 5:
            return np.asarray(self.corruption.call(clips, draws))
        # Several clips of a sample, as `SplitClips` makes them, are corrupted
        # alike.
        columns = [
            np.asarray(self.corruption.call(clips[:, index], draws))
            for index in range(clips.shape[1])
        ]
        return np.stack(columns, axis=1)
