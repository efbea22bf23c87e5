"""Frames per second of each part of the way from a video to labels.

    python benchmarks/video.py VIDEO [--pose mediapipe] [--pose-model FILE]
        [--weights stgcnpp:penn]

Prints how many frames each part would do in a second if it were alone, and
its share of the whole; then what tracking and classifying, with a prediction
each half second, add to the poses of a live source, in time of the processor.
Weights that take joints in the picture, as rtmlib gives them, are random
unless others are named: only their time counts.
"""

import argparse
import itertools
import pathlib
import tempfile
import time
import warnings

import keras

from keras_skeleton import serving
from keras_skeleton.applications import CTRGCN
from keras_skeleton.layers.augmentation import pose_preprocessing
from keras_skeleton.serving import poses
from keras_skeleton.serving.frames import open_source


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("video")
    parser.add_argument("--pose", default="rtmlib")
    parser.add_argument("--pose-model")
    parser.add_argument("--people", type=int)
    parser.add_argument("--min-score", type=float)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--weights", metavar="SYSTEM:NAME")
    options = parser.parse_args()
    estimator = poses.make_estimator(
        options.pose, options.pose_model, options.people, options.min_score
    )
    classifier = make_classifier(estimator, options.weights)
    source = Some(open_source(options.video), options.frames)
    print(
        f"{options.pose} {pathlib.Path(options.pose_model or '').name}, "
        f"{classifier.label}, {keras.backend.backend()}"
    )
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "out.mp4")
        # What is compiled or loaded at the first call does not count.
        serving.predict_video(
            Some(source, 10), classifier, poses=estimator, min_seconds=0.1
        )
        found = serving.predict_video(
            source, classifier, poses=estimator, output=path
        )
    total = sum(found.seconds.values())
    print(f"{found.num_frames} frames {found.size}, {len(found.tracks)} people")
    for part, seconds in found.seconds.items():
        rate = found.num_frames / max(seconds, 1e-9)
        print(f"{part:12}{rate:10.1f} per second{seconds / total:10.1%}")
    print(f"{'together':12}{found.num_frames / total:10.1f} per second")

    poses_alone, rest = live_seconds(classifier, estimator, source)
    print(
        f"live: {1000 * poses_alone / found.num_frames:.1f} ms of the "
        "processor for the poses of a frame; tracking and classifying take "
        f"{1000 * rest / found.num_frames:.2f} ms, {rest / poses_alone:.1%} "
        "of that"
    )


def live_seconds(classifier, estimator, source):
    """Seconds of the processor for the poses, and for all that follows.

    What the machine does beside changes these less than the time on a clock.
    """
    estimator = Timed(estimator)
    predictor = serving.LivePredictor(
        classifier, estimator, frame_rate=source.frame_rate
    )
    total = 0.0
    with estimator:
        for frame in source:
            start = time.process_time()
            predictor.update(frame)
            total += time.process_time() - start
    return estimator.seconds, total - estimator.seconds


class Timed(poses.PoseEstimator):
    """An estimator that adds up its time of the processor."""

    def __init__(self, estimator):
        super().__init__(estimator.skeleton, estimator.has_world)
        self.open, self.close = estimator.open, estimator.close
        self._estimator, self.seconds = estimator, 0.0

    def __call__(self, frame):
        start = time.process_time()
        people = self._estimator(frame)
        self.seconds += time.process_time() - start
        return people


class Some:
    """The first frames of a source."""

    path = None

    def __init__(self, source, count):
        self._source, self.num_frames = source, count
        self.frame_rate, self.notes = source.frame_rate, []

    def __iter__(self):
        return itertools.islice(self._source, self.num_frames)


def make_classifier(estimator, weights=None):
    """CTR-GCN, with trained weights where the estimator knows metres."""
    if weights is not None:
        return serving.PoseClassifier.from_weights(weights)
    if estimator.has_world:
        return serving.PoseClassifier.from_weights("ctrgcn:nw_ucla")
    model = CTRGCN(input_shape=(1, 64, 13, 3), skeleton="penn13", classes=15)
    form = serving.PoseForm("a picture", ("x", "y", "score"))
    return serving.PoseClassifier(
        model, pose_preprocessing(64), form, label="ctrgcn without training"
    )


if __name__ == "__main__":
    main()
