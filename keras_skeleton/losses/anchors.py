"""Losses of joints that anchors vote for."""

import keras
from keras import ops

DEPTHS = ("raw", "smooth")
# Up to so many units the error of a depth is squared, where it is smoothed.
DEPTH_BETA = 3.0


def smooth_l1(error, beta=1.0):
    """`x^2 / (2 beta)` up to `beta`, and `|x| - beta / 2` beyond."""
    size = ops.abs(error)
    square = ops.square(error) / (2 * beta)
    return ops.where(size <= beta, square, size - beta / 2)


class _AnchorError(keras.losses.Loss):
    """Joints, and where anchors alone put them.

    Args:
        spatial_weight: Weight of rows and columns beside depth.
        joint_weight: Weight of the joints beside the anchors.
        **kwargs: As in `keras.losses.Loss`.
    """

    def __init__(self, spatial_weight=0.5, joint_weight=3.0, **kwargs):
        super().__init__(**kwargs)
        self.spatial_weight = spatial_weight
        self.joint_weight = joint_weight

    def parts(self, y_true, y_pred):
        """The loss of the anchors and that of the joints, of each pose."""
        raise NotImplementedError

    def call(self, y_true, y_pred):
        anchors, joints = self.parts(y_true, y_pred)
        return anchors + self.joint_weight * joints

    def get_config(self):
        return {
            **super().get_config(),
            "spatial_weight": self.spatial_weight,
            "joint_weight": self.joint_weight,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class AnchorToJointError(_AnchorError):
    """The loss of A2J.

    With `s` the smooth L1 error (`smooth_l1`), means over the joints and over
    row and column, and `a` where anchors alone put a joint:

        s(true - a) + joint_weight (spatial_weight s(true - joint) + depth)

    The code smooths the error of depth, too, and then adds the one that is
    not; that is the default here. `depth="smooth"` adds the smoothed one
    (squared up to 3 units). Which of them trained the published weights is
    not known.

    Args:
        depth: `"raw"` or `"smooth"`.
        spatial_weight: 0.5 as in the published training script; the default
            of the published class is 0.1.
        joint_weight: Weight of the joints beside the anchors.
        **kwargs: As in `keras.losses.Loss`.

    Call arguments:
        y_true: Joints `(..., V, 3)` in a crop: row and column in pixels, and
            depth in its units (`datasets.depth.joints_in_crop`). Joints of
            all zeros are left out.
        y_pred: `(..., V, 6)`, the joints and those of anchors alone, as
            `A2J.training_model` gives them.

    Returns:
        The mean over poses.

    Example:

    >>> model = ks.applications.A2J().training_model()
    >>> model.compile("adam", AnchorToJointError())

    Reference: Xiong et al., A2J, ICCV 2019, arXiv 1908.09999; official code
    zhangboshen/A2J.
    """

    def __init__(
        self,
        depth="raw",
        spatial_weight=0.5,
        joint_weight=3.0,
        name="anchor_to_joint_error",
        **kwargs,
    ):
        super().__init__(spatial_weight, joint_weight, name=name, **kwargs)
        if depth not in DEPTHS:
            raise ValueError(
                f"`depth` must be 'raw' or 'smooth'. Received depth={depth!r}."
            )
        self.depth = depth

    def parts(self, y_true, y_pred):
        true, joints, alone, known = _taken_apart(y_true, y_pred)
        error = joints - true
        plane = ops.mean(smooth_l1(error[..., :2]), axis=-1)
        depth = ops.abs(error[..., 2])
        if self.depth == "smooth":
            depth = smooth_l1(error[..., 2], DEPTH_BETA)
        anchors = ops.mean(smooth_l1((alone - true)[..., :2]), axis=-1)
        return (
            _mean(anchors, known),
            _mean(self.spatial_weight * plane + depth, known),
        )

    def get_config(self):
        return {**super().get_config(), "depth": self.depth}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class AnchorVolumeError(_AnchorError):
    """The loss of A2J-Transformer, whose anchors lie in space.

    As `AnchorToJointError`, but anchors are compared in depth, too, the error
    of depth is smoothed (squared up to 3 units), and instead of means over
    row and column there are sums over the three coordinates, divided by 3.
    Follows the code: the paper also smooths the depth of anchors up to 3.

    Args:
        spatial_weight: Weight of rows and columns beside depth.
        joint_weight: Weight of the joints beside the anchors.
        **kwargs: As in `keras.losses.Loss`.

    Call arguments:
        y_true: Joints `(N, V, 3)`: x, y, depth. Joints of all zeros are left
            out.
        y_pred: `(N, V, 6)`, joints and those of anchors alone, or
            `(N, levels, V, 6)` for what each level of a decoder says.

    Returns:
        The mean over samples and levels.

    Reference: Jiang et al., A2J-Transformer, CVPR 2023, arXiv 2304.03635;
    official code ChanglongJiangGit/A2J-Transformer.
    """

    def __init__(
        self,
        spatial_weight=0.5,
        joint_weight=3.0,
        name="anchor_volume_error",
        **kwargs,
    ):
        super().__init__(spatial_weight, joint_weight, name=name, **kwargs)

    def parts(self, y_true, y_pred):
        if len(y_pred.shape) == len(y_true.shape) + 1:
            y_true = ops.expand_dims(y_true, -3)
            y_true = ops.repeat(y_true, y_pred.shape[-3], axis=-3)
        true, joints, alone, known = _taken_apart(y_true, y_pred)
        error = joints - true
        plane = ops.sum(smooth_l1(error[..., :2]), axis=-1)
        depth = smooth_l1(error[..., 2], DEPTH_BETA)
        anchors = ops.sum(smooth_l1(alone - true), axis=-1)
        return (
            _mean(anchors / 3, known),
            _mean((self.spatial_weight * plane + depth) / 3, known),
        )


def _taken_apart(y_true, y_pred):
    """True joints, joints, those of anchors alone, and which are known."""
    if y_pred.shape[-1] != 6 or y_true.shape[-1] != 3:
        raise ValueError(
            "Labels must be joints (..., joints, 3), and predictions joints "
            "together with those of anchors alone, (..., joints, 6). Received "
            f"shapes {tuple(y_true.shape)} and {tuple(y_pred.shape)}. Train "
            "`model.training_model()`, which gives both."
        )
    true, found = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    known = ops.cast(ops.any(true != 0, axis=-1), "float32")
    return true, found[..., :3], found[..., 3:], known


def _mean(error, known):
    """Mean over the joints that are known."""
    count = ops.maximum(ops.sum(known, axis=-1), 1)
    return ops.sum(error * known, axis=-1) / count
