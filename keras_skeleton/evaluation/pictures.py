"""Pictures of results: maps of features, confusions, curves."""

import typing

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import drawing
from keras_skeleton._arrays import to_numpy

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

METHODS = ("tsne", "umap")
_PARTS = ("confusion", "curves", "features")


def draw(result, what, **options):
    """Draws a part of a `Result`, see there."""
    if what not in _PARTS:
        raise ValueError(
            f"`what` must be one of {', '.join(map(repr, _PARTS))}. Received: "
            f"{what!r}"
        )
    if what == "confusion" and result.confusion is not None:
        return drawing.draw_confusion_matrix(
            result.confusion, result.class_names, **options
        )
    name = f"{result.system}: {result.title or result.protocol}"
    if what == "features" and result.features is not None:
        number = len(result.features[0])
        title = f"{result.system}: features of {number} test clips"
        options.setdefault("title", title)
        return feature_map(*result.features, result.class_names, **options)
    curves = {
        name: values
        for name, values in result.history.items()
        if name.endswith("accuracy")
    }
    if what == "curves" and curves:
        options.setdefault("title", name)
        return drawing.draw_curves(curves, "Epoch", "Top-1 (%)", **options)
    raise ValueError(
        f"The result of the protocol {result.protocol!r} holds no {what}. "
        "Confusions are of what classifies, curves of what trains once, and "
        "features of frozen encoders, as long as the result was not saved and "
        "loaded."
    )


def feature_map(
    features: ArrayLike,
    labels: ArrayLike,
    class_names=None,
    *,
    title=None,
    **options,
) -> "Figure":
    """Draws clips as points that lie near each other where features do.

    Args:
        features: Array `(N, D)`.
        labels: Whole numbers `(N,)`, the classes.
        class_names: Names of the classes; numbers by default.
        title: Title of the figure.
        **options: Further arguments of `embed`.

    Returns:
        A matplotlib `Figure`.

    Example:

    ```python
    features, labels = extract_features(encoder, batches)
    feature_map(features, labels, data.class_names).savefig("map.png")
    ```
    """
    points, rows = embed(features, **options)
    return drawing.draw_points(
        points,
        np.asarray(labels)[rows],
        class_names,
        title=title or f"Features of {len(rows)} clips",
    )


def embed(
    features: ArrayLike, method="tsne", max_points=3000, seed=0, **options
) -> tuple[np.ndarray, np.ndarray]:
    """Places features in two dimensions, similar ones near each other.

    They are compared by the cosine of their angle, as by `knn`.

    Args:
        features: Array `(N, D)` of at least four clips.
        method: `"tsne"` (needs scikit-learn) or `"umap"` (needs umap-learn).
        max_points: Of more clips, as many are drawn at random.
        seed: Seed of that and of the method.
        **options: Further arguments of `sklearn.manifold.TSNE` or
            `umap.UMAP`, such as `perplexity` or `n_neighbors`.

    Returns:
        Tuple of the points `(P, 2)` and the numbers of their clips `(P,)`.

    Raises:
        ValueError: If the method is unknown or there are too few clips.
        ImportError: If the library is missing; the message says which.

    Reference: van der Maaten and Hinton, JMLR 2008 (t-SNE); McInnes et al.,
    arXiv 1802.03426 (UMAP).
    """
    features = to_numpy(features, "float32")
    if method not in METHODS:
        raise ValueError(
            f"`method` must be one of {', '.join(map(repr, METHODS))}. "
            f"Received: {method!r}"
        )
    if features.ndim != 2 or len(features) < 4:
        raise ValueError(
            "`features` must be those of at least four clips, (N, D). "
            f"Received shape {features.shape}."
        )
    rows = np.arange(len(features))
    if len(rows) > max_points:
        generator = np.random.default_rng(seed)
        rows = np.sort(generator.permutation(rows)[:max_points])
    norm = np.linalg.norm(features[rows], axis=1, keepdims=True)
    chosen = features[rows] / np.maximum(norm, 1e-12)
    if method == "umap":
        umap = needed("umap", "umap-learn")
        options.setdefault("n_neighbors", min(15, len(rows) - 1))
        mapper = umap.UMAP(random_state=seed, n_jobs=1, **options)
    else:
        manifold = needed("sklearn.manifold", "scikit-learn")
        # Fewer neighbours count where there are few clips.
        options.setdefault("perplexity", min(30, (len(rows) - 1) / 3))
        mapper = manifold.TSNE(init="pca", random_state=seed, **options)
    return np.asarray(mapper.fit_transform(chosen)), rows


def needed(module, package):
    """A module of a library, or an `ImportError` that says how to get it."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"A map of features needs {package}: pip install {package}"
        ) from error
