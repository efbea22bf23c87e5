"""From places in a crop of a picture to places in space."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class CropToCamera(keras.layers.Layer):
    """Joints in a crop of a depth map, as points in front of the camera.

    With the box `(x0, y0, w, h)` of a crop of `rows` x `columns` pixels and
    the intrinsics `((fx, 0, cx), (0, fy, cy), (0, 0, 1))` of the camera, a
    joint at `(row, column, d)` is at

        u = x0 + column w / columns,    v = y0 + row h / rows
        z = d / depth_scale (+ root depth)
        (x, y, z) = ((u - cx) z / fx, (v - cy) z / fy, z)

    Focal lengths may be negative, for cameras whose x axis points to the left
    of the picture or whose y axis points up, as that of ITOP.

    Args:
        rows: Rows of the crop.
        columns: Its columns.
        depth_scale: Units of depth in a metre; 50 as published.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        joints: Tensor `(N, ..., V, 3)`: row, column, depth.
        box: Tensor `(N, ..., 4)`.
        intrinsics: Tensor `(N, 3, 3)`.
        root_depth: Optional tensor `(N, ..., 1)`: depth in metres that those of
            joints are relative to.

    Output shape: `(N, ..., V, 3)` in metres, float32.
    """

    def __init__(self, rows, columns, depth_scale=50.0, **kwargs):
        super().__init__(**kwargs)
        self.rows = rows
        self.columns = columns
        self.depth_scale = depth_scale

    def call(self, joints, box, intrinsics, root_depth=None):
        # Pixels of a whole picture need more digits than half precision has.
        joints, box, intrinsics = (
            ops.cast(x, "float32") for x in (joints, box, intrinsics)
        )
        z = joints[..., 2] / self.depth_scale
        if root_depth is not None:
            z = z + ops.cast(root_depth, "float32")
        u = box[..., 0:1] + joints[..., 1] * box[..., 2:3] / self.columns
        v = box[..., 1:2] + joints[..., 0] * box[..., 3:4] / self.rows
        for _ in range(len(z.shape) - 1):
            intrinsics = intrinsics[:, None]
        x = (u - intrinsics[..., 0, 2]) * z / intrinsics[..., 0, 0]
        y = (v - intrinsics[..., 1, 2]) * z / intrinsics[..., 1, 1]
        return ops.stack([x, y, z], axis=-1)

    def compute_output_shape(self, joints_shape, *_, **__):
        return joints_shape

    def get_config(self):
        return {
            **super().get_config(),
            "rows": self.rows,
            "columns": self.columns,
            "depth_scale": self.depth_scale,
        }
