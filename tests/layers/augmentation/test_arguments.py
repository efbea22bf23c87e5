import pytest

from keras_skeleton.layers import augmentation

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: augmentation.Center("kinect20"), "`joint` must be a whole"),
        (lambda: augmentation.PreNormalize3D("ntu"), "`center` must be a wh"),
        (lambda: augmentation.PreNormalize3D(compact="no"), "True or False"),
        (lambda: augmentation.FaceFront(published=1), "True or False"),
        (lambda: augmentation.RandomRotation(float("nan")), "a finite number"),
        (lambda: augmentation.RandomShear("8"), "RandomShear cannot be"),
        (lambda: augmentation.CropResize(None), "num_frames=None"),
        (lambda: augmentation.DropJoints(joints=3), "DropJoints cannot be"),
        (lambda: augmentation.JointCorruption(dimensions=4), "2 or 3"),
        (
            lambda: augmentation.RandomFlipInPlane("coco17", 100, 50),
            "`probability` must be a number from 0 to 1",
        ),
    ],
)
def test_values_that_cannot_be_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
