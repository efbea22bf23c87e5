import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import layers
from keras_skeleton import losses
from keras_skeleton.applications import UniPose
from keras_skeleton.applications import UniPoseTraining
from keras_skeleton.losses import weak_poses


def clouds(model, count=2, seed=0):
    """Random clouds in boxes that are not turned."""
    random = np.random.default_rng(seed)
    form = model.input_form
    if not isinstance(form, dict):
        return random.uniform(-0.5, 0.5, (count, *form)).astype("float32")
    frames = form["length"][0]
    inputs = {
        "points": random.uniform(-0.5, 0.5, (count, *form["points"])),
        "rotation": np.tile(np.eye(3), (count, frames, 1, 1)),
        "offset": np.zeros((count, frames, 3)),
        "length": np.full((count, frames), 2.0),
    }
    return {name: x.astype("float32") for name, x in inputs.items()}


def pictures(count, frames, joints):
    """2D joints of a camera that looks along z."""
    random = np.random.default_rng(1)
    camera = np.array([[100, 0, 50], [0, 100, 50], [0, 0, 1]], "float32")
    return {
        "keypoints": random.uniform(10, 90, (count, frames, joints, 2)).astype(
            "float32"
        ),
        "intrinsics": np.tile(camera, (count, 1, 1)),
    }


@pytest.mark.parametrize("network", ["point_transformer", "voting"])
def test_other_networks_learn(network):
    keras.utils.set_random_seed(0)
    channels = 3 if network == "voting" else 6
    arguments = {
        **UniPose.tiny,
        "network": network,
        "input_shape": (3, 24, channels),
        "num_neighbors": 4,
    }
    model = UniPose(**arguments)
    inputs = clouds(model)
    if network == "point_transformer":
        # Order is of no matter but for which point is the first.
        swapped = inputs["points"][:, :, np.r_[0, 23:0:-1]]
        np.testing.assert_allclose(
            model.predict_on_batch({**inputs, "points": swapped}),
            model.predict_on_batch(inputs),
            atol=1e-4,
        )
    given = inputs if isinstance(inputs, dict) else {"points": inputs}
    training = UniPoseTraining(model, form="metric")
    training.compile(keras.optimizers.Adam(1e-2))
    data = {**given, **pictures(2, 3, 15)}
    logs = training.fit(data, batch_size=2, epochs=3, verbose=0).history
    assert logs["loss"][-1] < logs["loss"][0]
    assert logs["surface"][0] >= 0 and logs["length"][0] == 0


def test_joints_move_with_the_box():
    model = UniPose(**UniPose.tiny)
    inputs = clouds(model)
    joints = model.predict_on_batch(inputs)
    moved = {**inputs, "offset": inputs["offset"] + 0.5}
    np.testing.assert_allclose(
        model.predict_on_batch(moved), joints + 1.0, atol=1e-5
    )
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], "float32")
    turned = {**inputs, "rotation": inputs["rotation"] @ turn}
    np.testing.assert_allclose(
        model.predict_on_batch(turned), joints @ turn.T, atol=1e-5
    )


def test_first_centers_repeat_and_random_ones_do_not():
    points = np.random.default_rng(0).normal(size=(2, 50, 3))
    layer = layers.FarthestPoints(5, seed=1)
    first = ops.convert_to_numpy(layer(points.astype("float32")))
    assert (first[:, 0] == 0).all()
    drawn = [
        ops.convert_to_numpy(layer(points.astype("float32"), training=True))
        for _ in range(4)
    ]
    assert len({tuple(x[:, 0]) for x in drawn}) > 1


def test_groups():
    line = np.zeros((1, 6, 3), "float32")
    line[0, :, 0] = np.arange(6)

    def groups(*arguments, **options):
        layer = layers.PointGroups(*arguments, **options)
        return ops.convert_to_numpy(layer(line[:, 2:4], line)).tolist()[0]

    near = groups(3)
    assert [sorted(x) for x in near] == [[1, 2, 3], [2, 3, 4]]
    # Those beyond the radius are replaced by the centre.
    assert groups(3, 0.25) == [[2, 2, 2], [3, 3, 3]]
    assert groups(2, 1.5, order="index") == [[1, 2], [2, 3]]
    assert groups(4, 1.5, order="index") == [[1, 2, 3, 1], [2, 3, 4, 2]]
    with pytest.raises(ValueError, match="order='size'"):
        layers.PointGroups(3, order="size")
    with pytest.raises(ValueError, match="squared_radius=None"):
        layers.PointGroups(3, order="index")


def test_training_takes_scores_lengths_and_another_camera():
    training = UniPoseTraining(
        **UniPoseTraining.tiny,
        use_scores=True,
        use_extrinsics=True,
        bone_lengths="input",
        min_score=0.3,
    )
    assert training.input_form["keypoints"] == (3, 15, 3)
    data = {**clouds(training.model, 2), **pictures(2, 3, 15)}
    data["extrinsics"] = np.tile(np.eye(4, dtype="float32"), (2, 1, 1))
    data["bone_lengths"] = np.full((2, 8), 0.3, "float32")

    def loss_of(scores):
        joints = np.concatenate([data["keypoints"], scores], axis=-1)
        given = {**data, "keypoints": joints.astype("float32")}
        _, terms, _ = training.objective(given, None, False)
        return float(ops.convert_to_numpy(terms["ray"]))

    scores = np.ones((2, 3, 15, 1))
    every = loss_of(scores)
    assert loss_of(0.5 * scores) == pytest.approx(every, rel=1e-5)
    # What is not believed does not count.
    scores[0] = 0.2
    first = loss_of(scores)
    data["keypoints"][0] += 100
    assert loss_of(scores) == pytest.approx(first, rel=1e-5)
    with pytest.raises(ValueError, match="with the inputs 'points'"):
        training.compile("adam")
        training.fit({"points": data["points"]})


def test_joints_lie_behind_what_the_camera_sees_at_them():
    training = UniPoseTraining(
        **UniPoseTraining.tiny, term_weights={"length": 0, "depth": 2}
    )
    assert training.input_form["depths"] == (3, 15)
    again = UniPoseTraining.from_config(training.get_config())
    assert again.constraints.weights["depth"] == 2
    data = {**clouds(training.model, 2), **pictures(2, 3, 15)}
    constraints = losses.PoseConstraints(
        "itop15",
        weights={"length": 0, "depth": 2},
        joint_depths=np.full(15, 0.1),
    )
    joints = np.random.default_rng(0).normal(size=(2, 3, 15, 3)) + [0, 0, 9]
    depths = joints[..., 2] - 0.1
    # One joint is 5 cm in front of its place, one 20 cm behind it, and of
    # another nothing was measured: it does not count.
    depths[0, 0, 0] += 0.05
    depths[1, 2, 3] -= 0.2
    depths[1, 1, 1] = 0
    given = data["keypoints"], data["intrinsics"]
    _, terms = constraints(joints, *given, depths=depths)
    hidden = 0.1 * (1 - np.exp(-2))
    assert float(terms["depth"]) == pytest.approx(
        (0.05 + hidden) / 89, rel=1e-3
    )
    data["depths"] = np.full((2, 3, 15), 2.0, "float32")
    # Nothing but the measured depths pulls.
    keras.utils.set_random_seed(0)
    training = UniPoseTraining(
        **UniPoseTraining.tiny,
        term_weights={**dict.fromkeys(constraints.weights, 0), "depth": 1},
    )
    training.compile(keras.optimizers.Adam(1e-2))
    logs = training.fit(data, epochs=20, verbose=0).history
    # Centres are drawn anew in each step, so that the error wavers.
    assert np.mean(logs["depth"][-5:]) < 0.95 * np.mean(logs["depth"][:3])


@pytest.mark.once
def test_layouts_bring_their_bones():
    left, right = weak_poses.limbs("itop15").tolist()
    assert left == [[3, 5], [5, 7], [10, 12], [12, 14]]
    assert right == [[2, 4], [4, 6], [9, 11], [11, 13]]
    sides = weak_poses.symmetric_bones("itop15")
    assert sides.shape == (2, 6, 2)
    # Each pair once.
    bones = {frozenset(bone) for bone in sides.reshape(-1, 2).tolist()}
    assert len(bones) == 12
    depths = dict(
        zip(
            ("head", "neck"),
            weak_poses.general_depths("itop15"),
            strict=False,
        )
    )
    assert depths == pytest.approx({"head": 0.1, "neck": 0.1})
    assert weak_poses.general_depths("coco17")[[5, 9]] == pytest.approx(
        [0.06, 0.03]
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (2, 24)}, "three positive|3 positive"),
        ({"input_shape": (2, 24, 2)}, "three coordinates"),
        ({"num_centers": (30, 4)}, "num_centers=\\(30, 4\\)"),
        ({"num_centers": (8, 9)}, "num_centers=\\(8, 9\\)"),
        ({"num_centers": (8,)}, "`num_centers` .* has 2 entries"),
        ({"network": "tree"}, "network='tree'"),
        ({"network": "point_transformer"}, "is one number"),
        ({"num_stages": 0}, "`num_stages` must be at least 1"),
        ({"reach": -1}, "`reach` must be a number from 0.001"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    with pytest.raises(ValueError, match=message):
        UniPose(**{**UniPose.tiny, **arguments})


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "paper"}, "form='paper'"),
        ({"term_weights": {"rays": 1}}, "also: rays"),
        ({"input_shape": (2, 24, 6)}, "three frames at least"),
        ({"bone_lengths": (0.3, 0.3)}, "there are 2 lengths"),
        ({"bone_lengths": "mine"}, "bone_lengths='mine'"),
        ({"joint_depths": (0.1, 0.1)}, "each of the 15 joints"),
        ({"term_weights": {"ray": -1}}, "must not be negative"),
        ({"skeleton": "ntu"}, "bones of limbs, but there are 8"),
        ({"model": UniPose}, "Pass either `model` or"),
    ],
)
def test_what_cannot_be_trained(arguments, message):
    with pytest.raises(ValueError, match=message):
        UniPoseTraining(**{**UniPoseTraining.tiny, **arguments})


@pytest.mark.once
def test_network_of_classes_is_no_start_of_hourglasses():
    with pytest.raises(ValueError, match="fits network='voting' only"):
        UniPose(**UniPose.tiny).load_pointnet2({})


@pytest.mark.once
def test_joint_distance_leaves_out_what_is_unknown():
    known = np.zeros((2, 1, 3, 3), "float32")
    known[:, :, :2] = 1
    found = known + np.float32([0, 3, 4])
    assert float(losses.JointDistance()(known, found)) == pytest.approx(5)
