"""Poses by rtmlib (Apache-2.0): RTMO, RTMPose and others of its models."""

import contextlib
import io
import os

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.serving.frames import Frame
from keras_skeleton.serving.poses.estimators import PoseEstimator
from keras_skeleton.serving.poses.estimators import needs
from keras_skeleton.serving.poses.people import Person
from keras_skeleton.skeletons.skeleton import SkeletonLike

ADDRESS = (
    "https://download.openmmlab.com/mmpose/v1/projects/rtmo/onnx_sdk/"
    "rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211.zip"
)


class RTMLibPoses(PoseEstimator):
    """Several persons, 17 joints of COCO, in the picture; by rtmlib.

    Needs `pip install "keras-skeleton[pose]"`.

    Args:
        model: Path of an `.onnx` file with the inputs and outputs of RTMO;
            by default RTMO-s, which rtmlib fetches once. Or an object
            of rtmlib, called with a picture in blue, green and red, such as
            `rtmlib.Body(mode="lightweight")`.
        people: Persons to keep at most, those with the highest scores.
        min_score: Score of a person from which on it counts.
        skeleton: The layout that the model gives.
        device: `"cpu"`, `"cuda"` or `"mps"`.

    Raises:
        ImportError: If rtmlib or a library of the system is missing.
        ConnectionError: If the model cannot be fetched.

    Reference: [RTMO](https://arxiv.org/abs/2312.07526).
    """

    def __init__(
        self,
        model: PathLike | None = None,
        people=None,
        min_score=0.3,
        skeleton: SkeletonLike = "coco17",
        device="cpu",
    ):
        super().__init__(skeleton)
        self.people = people
        self.min_score = float(min_score)
        self._model = model
        if model is None or isinstance(model, str | os.PathLike):
            self._model = _load(model, self.min_score, device)

    def estimate(self, frame: Frame) -> list[Person]:
        joints, scores = self._model(
            np.ascontiguousarray(frame.image[..., ::-1])
        )
        found = [
            Person(*each)
            for each in zip(joints, np.clip(scores, 0, 1), strict=True)
            # Where there is nobody, RTMO tells of somebody made of zeros.
            if each[1].mean() >= self.min_score and np.any(each[1])
        ]
        found.sort(key=lambda person: -person.score)
        return found[: self.people]


def _load(model, min_score, device):
    try:
        from rtmlib import RTMO
    except (ImportError, OSError) as error:
        raise ImportError(f"{needs('rtmlib')} ({error}).") from error
    try:
        # It says on the standard output what it loads.
        with contextlib.redirect_stdout(io.StringIO()):
            made = RTMO(
                ADDRESS if model is None else os.fspath(model),
                score_thr=min_score,
                device=device,
            )
    except OSError as error:
        if model is not None:
            raise
        raise ConnectionError(
            f"The model RTMO-s cannot be fetched ({error}). Get {ADDRESS}, "
            "unpack the file end2end.onnx from it, and pass it: "
            "--pose-model end2end.onnx, or RTMLibPoses('end2end.onnx')."
        ) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "onnxruntime":
            raise
        raise ValueError(
            f"{os.fspath(model)!r} is no .onnx file that can be run: {error}"
        ) from error
    shape = made.session.get_inputs()[0].shape
    if all(isinstance(side, int) for side in shape[2:]):
        made.model_input_size = tuple(shape[2:])
    return made
