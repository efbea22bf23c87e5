"""Trained models at work: single clips, live streams, videos."""

from keras_skeleton._lazy import on_first_use

with on_first_use(globals()):
    from keras_skeleton.datasets._pose_forms import PoseForm as PoseForm
    from keras_skeleton.serving import poses as poses
    from keras_skeleton.serving.classifier import (
        PoseClassifier as PoseClassifier,
    )
    from keras_skeleton.serving.forms import Bridge as Bridge
    from keras_skeleton.serving.frames import Frame as Frame
    from keras_skeleton.serving.frozen import FrozenModel as FrozenModel
    from keras_skeleton.serving.live import LivePerson as LivePerson
    from keras_skeleton.serving.live import LivePredictor as LivePredictor
    from keras_skeleton.serving.live import predict_live as predict_live
    from keras_skeleton.serving.live_server import LiveServer as LiveServer
    from keras_skeleton.serving.segments import Segment as Segment
    from keras_skeleton.serving.segments import (
        VideoPrediction as VideoPrediction,
    )
    from keras_skeleton.serving.segments import Window as Window
    from keras_skeleton.serving.streaming import Prediction as Prediction
    from keras_skeleton.serving.streaming import (
        StreamingClassifier as StreamingClassifier,
    )
    from keras_skeleton.serving.video import predict_video as predict_video
