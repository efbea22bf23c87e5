import sys

import numpy as np
import pytest

from keras_skeleton import evaluation
from keras_skeleton.evaluation import Percentage
from keras_skeleton.evaluation import Result

pytestmark = pytest.mark.once
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")


@pytest.fixture
def clusters(random):
    """Features of three classes that lie apart."""
    labels = np.arange(60) % 3
    return np.eye(3)[labels] + random.normal(scale=0.05, size=(60, 3)), labels


def test_map_keeps_classes_together(clusters):
    features, labels = clusters
    points, rows = evaluation.embed(features, perplexity=10)
    assert points.shape == (60, 2)
    np.testing.assert_array_equal(rows, np.arange(60))
    nearest = evaluation.knn(points, labels, points, 5, "euclidean")
    assert np.mean(nearest == labels) > 0.95
    again, _ = evaluation.embed(features, perplexity=10)
    np.testing.assert_array_equal(points, again)


def test_map_of_many_and_of_few(clusters):
    features, labels = clusters
    points, rows = evaluation.embed(features, max_points=20, seed=1)
    assert len(points) == 20 == len(set(rows))
    figure = evaluation.feature_map(features[:5], labels[:5], ["a", "b", "c"])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["a", "b", "c"]


def test_another_method(clusters, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match="pip install umap-learn"):
        evaluation.embed(clusters[0], method="umap")

    class Umap:
        class UMAP:
            def __init__(self, **options):
                self.options = options

            def fit_transform(self, features):
                assert self.options["n_neighbors"] == 15
                return features[:, :2]

    monkeypatch.setitem(sys.modules, "umap", Umap)
    points, _ = evaluation.embed(clusters[0], method="umap")
    np.testing.assert_allclose(np.abs(points).max(), 1, atol=0.01)


def test_parts_of_a_result(clusters, tmp_path):
    result = Result(
        "linear",
        {"top1": Percentage(50.0, 4, 2)},
        system="some",
        confusion=[[1, 1], [1, 1]],
        class_names=["a", "b"],
        history={"loss": [1.0, 2.0], "test accuracy": [40.0, 50.0]},
        features=clusters,
    )
    for what in ("confusion", "curves"):
        result.draw(what).savefig(tmp_path / f"{what}.png")
        assert (tmp_path / f"{what}.png").stat().st_size > 2000
    assert "some: linear" in result.draw("curves").get_suptitle()
    with pytest.raises(ValueError, match="2 `class_names`, but a label 2"):
        result.draw("features")
    with pytest.raises(ValueError, match="'confusion', 'curves', 'features'"):
        result.draw("loss")
    bare = Result("retrieval", {"mAP": Percentage(50.0, 4)})
    for what in ("confusion", "curves", "features"):
        with pytest.raises(ValueError, match=f"'retrieval' holds no {what}"):
            bare.draw(what)


def test_bad_maps(clusters):
    with pytest.raises(ValueError, match="'pca'"):
        evaluation.embed(clusters[0], method="pca")
    with pytest.raises(ValueError, match="at least four"):
        evaluation.embed(clusters[0][:3])
