"""FineTec against the formulas of its paper, computed in NumPy."""

import numpy as np
from keras import ops
from support import assert_close
from support import cases

from keras_skeleton import evaluation
from keras_skeleton.applications import FineTecPretext
from keras_skeleton.applications import _completion_training
from keras_skeleton.applications import _decomposition
from keras_skeleton.applications import _physics
from keras_skeleton.applications._dynamics import acceleration_loss
from keras_skeleton.losses import SmoothedCrossentropy

COPIES = ("base", "dyna", "stat")


def row(array):
    return ops.convert_to_tensor(array[None])


def column(array):
    """Vectors `(T, n)` as `(T, n, 1)`."""
    return ops.convert_to_tensor(array.reshape(len(array), -1, 1), "float32")


def to_numpy(x):
    return ops.convert_to_numpy(x)


def test_decomposition(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("finetec"), "decomposition*.npz"
    ):
        clips = row(arrays["in/S_base"])
        layer = _decomposition.RegionPerturbation(
            config["groups"], config["top_dynamic"]
        )
        layer.build(clips.shape)
        shares = layer.members / layer.members.sum(axis=1, keepdims=True)
        joints, regions = _decomposition.region_motion(clips, shares)
        assert_close(joints[0], arrays["out/D_avg"], name)
        assert_close(regions[0], arrays["out/D_bar"], name)
        dynamic = to_numpy(
            _decomposition.largest(regions, config["top_dynamic"])
        )[0]
        for kind, chosen in (("dynamic", dynamic), ("static", ~dynamic)):
            np.testing.assert_array_equal(
                np.flatnonzero(chosen), arrays[f"out/{kind}_groups"]
            )
        is_dynamic, _ = layer.joint_groups(clips)
        np.testing.assert_array_equal(
            to_numpy(is_dynamic)[0], arrays["out/dynamic_joint_mask"]
        )
        start, length = arrays["in/crop_start_len"].astype("int32")
        dropped = np.zeros((1, config["T"]), bool)
        dropped[0, arrays["in/drop_frames"].astype(int)] = True
        copies = layer.perturbed(
            clips,
            ops.convert_to_tensor([start]),
            ops.convert_to_tensor([length]),
            ops.convert_to_tensor(dropped),
            ops.zeros((1,)),
        )
        for key, copy in zip(("S_dyna", "S_stat"), copies, strict=True):
            assert_close(copy[0], arrays[f"out/{key}"], f"{name} {key}")


def test_acceleration(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("finetec"), "acceleration*.npz"
    ):
        clips = row(arrays["in/S"])
        for ends, key in (("zero", "zero"), ("repeat", "replicate")):
            found = _physics.second_difference(clips, ends)[0]
            expected = arrays[f"out/a_hat_{key}"] * config["dt"] ** 2
            assert_close(found, expected, f"{name} {key}")
        for rule in ("backward", "central"):
            found = _physics.velocity(clips, rule)[0]
            expected = arrays[f"out/velocity_{rule}"] * config["dt"]
            assert_close(found, expected, f"{name} {rule}")
        size = config["K"] * config["dims"]
        inverse = _physics.symmetric(
            ops.convert_to_tensor(arrays["in/minv_upper"]), size
        )
        assert_close(inverse, arrays["out/minv"], name)
        speed = column(arrays["out/velocity_central"])
        force = column(arrays["in/tau"])
        damping = ops.convert_to_tensor(arrays["in/C_hat"])
        gravity = column(arrays["in/g_hat"])
        found = _physics.lagrange(inverse, force, damping, speed, gravity)
        expected = arrays["out/acceleration"]
        assert_close(ops.reshape(found, expected.shape), expected, name)
        # The equation of motion itself, with the inverse taken out.
        inverse = np.linalg.inv(arrays["in/M_full"].astype("float64"))
        found = _physics.lagrange(
            ops.convert_to_tensor(inverse, "float32"),
            force,
            ops.convert_to_tensor(inverse @ arrays["in/C_full"], "float32"),
            speed,
            column(inverse @ arrays["in/g_hat"][..., None]),
        )
        expected = arrays["out/acceleration_full"]
        assert_close(ops.reshape(found, expected.shape), expected, name)


def test_losses_and_errors(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("finetec"), "losses*.npz"):
        true, restored = arrays["in/S_gt"], arrays["in/S_base"]
        for key, measure in (
            ("MPJPE", evaluation.mpjpe),
            ("N_MPJPE", evaluation.n_mpjpe),
            ("MPJVE", evaluation.mpjve),
        ):
            found = measure(true, restored)
            assert_close(np.float64(found), arrays[f"out/{key}"], key)
        pretext = FineTecPretext(**FineTecPretext.tiny)
        found = [
            _completion_training.joined(
                ops.convert_to_tensor(arrays[f"in/{clip}"]),
                ops.convert_to_tensor(arrays[f"in/{example}"]),
            )
            for clip, example in (
                ("S_base", "S_mask_out"),
                ("S_gt", "S_context"),
            )
        ]
        context = ops.mean(pretext.error(*found))
        assert_close(context, arrays["out/L_ICL"], name)
        differences, accelerations = (
            np.concatenate([arrays[f"in/{kind}_{copy}"] for copy in COPIES])
            for kind in ("a_hat", "a")
        )
        acceleration = acceleration_loss(
            ops.convert_to_tensor(differences),
            ops.convert_to_tensor(accelerations),
        )
        assert_close(acceleration, arrays["out/L_Ac"], name)
        entropy = SmoothedCrossentropy()(
            arrays["in/label"], arrays["in/logits"]
        )
        assert_close(entropy, arrays["out/L_CE"], name)
        total = entropy + config["lambda_"] * acceleration
        assert_close(total, arrays["out/L_total"], name)
