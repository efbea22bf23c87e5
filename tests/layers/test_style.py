import numpy as np
from keras import ops

from keras_skeleton.layers import style_transfer


def test_style_transfer_takes_mean_and_deviation(random):
    clips = random.normal(size=(3, 2, 6, 5, 3)).astype("float32")
    styles = (3 * random.normal(size=clips.shape) + 2).astype("float32")
    for per_frame, axes in ((False, (2, 3)), (True, (3,))):
        found = ops.convert_to_numpy(style_transfer(clips, styles, per_frame))
        for statistic in (np.mean, np.std):
            np.testing.assert_allclose(
                statistic(found, axis=axes),
                statistic(styles, axis=axes),
                atol=1e-3,
            )
        same = ops.convert_to_numpy(style_transfer(clips, clips, per_frame))
        np.testing.assert_allclose(same, clips, atol=1e-5)
