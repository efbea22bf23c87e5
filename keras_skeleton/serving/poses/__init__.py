"""Poses of people in pictures: estimators behind one interface, tracking."""

from keras_skeleton._lazy import on_first_use

with on_first_use(globals()):
    from keras_skeleton.serving.poses.estimators import (
        PoseEstimator as PoseEstimator,
    )
    from keras_skeleton.serving.poses.estimators import (
        PoseFunction as PoseFunction,
    )
    from keras_skeleton.serving.poses.estimators import (
        make_estimator as make_estimator,
    )
    from keras_skeleton.serving.poses.files import FilePoses as FilePoses
    from keras_skeleton.serving.poses.people import Person as Person
    from keras_skeleton.serving.poses.people import Track as Track
    from keras_skeleton.serving.poses.tracking import Tracker as Tracker
    from keras_skeleton.serving.poses.with_mediapipe import (
        MediaPipePoses as MediaPipePoses,
    )
    from keras_skeleton.serving.poses.with_rtmlib import (
        RTMLibPoses as RTMLibPoses,
    )
