"""UniPose: networks, decoding, losses and a step of C3P, and PointNet++."""

import keras
import numpy as np
import pytest
from graph_networks import load_random_tensors
from keras import ops
from support import assert_close
from support import assert_within_rounding
from support import cases
from support import chain_skeleton
from support import documents
from support import gradient_errors
from support import gradients
from support import part
from support import relative_error

from keras_skeleton import layers
from keras_skeleton import losses
from keras_skeleton import weights
from keras_skeleton.applications import UniPose
from keras_skeleton.applications import UniPoseTraining
from keras_skeleton.applications import _point_poses
from keras_skeleton.layers import points as point_layers
from keras_skeleton.weights import load_official
from keras_skeleton.weights import unipose as names

TERMS = {
    "ray": "2d",
    "length": "len",
    "symmetry": "sym",
    "motion": "con1",
    "constancy": "con2",
}


def network(config, frames=1):
    """The hourglasses of a fixture."""
    joints = config["num_joints"]
    return UniPose(
        input_shape=(frames, config["num_points"], 6),
        skeleton="coco17" if joints == 17 else chain_skeleton(joints),
        num_centers=config["group_num"],
        num_neighbors=config["num_neighbors"],
        squared_radii=config["squared_radius"],
        abstraction_widths=config["sa_mlps"],
        propagation_widths=config["fp_mlps"],
        head_dim=config["head_mlp"][1:],
        num_interpolated=config["interpolation_neighbors"],
        num_candidates=config["decode_candidates"],
        reach=config["decode_radius_m"],
        dropout_rate=0.0,
    )


def clouds(arrays, frames=1):
    """Named inputs; rows of a fixture become samples, or frames of one."""
    found = {
        ours: np.array(arrays[f"in/{theirs}"])
        for ours, theirs in (
            ("points", "points"),
            ("rotation", "rotation"),
            ("offset", "offset"),
            ("length", "max_len"),
        )
    }
    return {
        name: x.reshape(-1, frames, *x.shape[1:]) for name, x in found.items()
    }


class Holder(keras.Model):
    """Holds an array as a variable, to have its gradient."""

    def __init__(self, array):
        super().__init__()
        self.array = self.add_weight(array.shape, name="array")
        self.array.assign(array)
        self.built = True

    def call(self, inputs):
        return inputs


def gradient(function, array):
    """The gradient of a scalar function of one tensor."""
    _, found = gradients(
        Holder(array), lambda m, x: function(m.array.value), np.zeros((1, 1))
    )
    return next(iter(found.values()))


def test_network(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("unipose"), "c3p_network*.npz"
    ):
        model = network(config)
        load_official(model, part(arrays, "state/"))
        wanted = {
            "groups_1": None,
            "groups_2": None,
            "ways_1": None,
            "ways_2": None,
            "joints_in_box": None,
        }
        for stage in (1, 2):
            for i in (1, 2, 3):
                for theirs, ours in (
                    ("sa", "abstraction"),
                    ("fp", "propagation"),
                ):
                    wanted[f"stage_{stage}_{ours}_{i}"] = (
                        f"stage{stage}_{theirs}{i}"
                    )
            wanted[f"stage_{stage}_heat_and_vectors"] = f"hm{stage}"
        whole = keras.Model(
            model.input,
            {key: model.get_layer(key).output for key in wanted}
            | {"joints": model.output},
        )
        found = whole(clouds(arrays), training=False)
        for key, theirs in wanted.items():
            if theirs is None:
                continue
            value = ops.convert_to_numpy(found[key])
            if theirs.startswith("hm"):
                value = value.transpose(0, 2, 3, 1)
            else:
                value = value.swapaxes(1, 2)
            expected = arrays[f"out/{theirs}"]
            assert_close(
                value.reshape(expected.shape),
                expected,
                f"{name}: {theirs}",
                2e-5,
            )
        for i in (1, 2):
            members = ops.convert_to_numpy(found[f"groups_{i}"])
            np.testing.assert_array_equal(
                np.sort(members, axis=-1), arrays[f"in/idx{i}"]
            )
            indices, ways = map(ops.convert_to_numpy, found[f"ways_{i}"])
            level = f"level{i - 1}"
            np.testing.assert_array_equal(
                indices, arrays[f"out/interp_index_{level}"]
            )
            assert_close(
                ways, arrays[f"out/interp_weight_{level}"], f"{name}: {level}"
            )
        for key, theirs in (
            ("joints_in_box", "joints_box"),
            ("joints", "joints"),
        ):
            value = ops.convert_to_numpy(found[key])[:, 0]
            assert_close(value, arrays[f"out/{theirs}"], f"{name}: {key}")


def test_decode(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("unipose"), "c3p_decode*.npz"
    ):
        x = clouds(arrays)
        box = [
            ops.convert_to_tensor(x[k])
            for k in ("rotation", "offset", "length")
        ]
        decode = _point_poses.JointsOfPoints(
            config["candidates"], config["radius_m"]
        )

        def joints_of(hm, x=x, decode=decode):
            return decode(x["points"][:, 0, :, :3], hm, x["length"])[:, None]

        hm = arrays["in/hm"].transpose(0, 3, 1, 2)
        in_box = joints_of(ops.convert_to_tensor(hm))
        joints = _point_poses.FromBox()(in_box, *box)
        assert_close(in_box[:, 0], arrays["out/joints_box"], f"{name}: box")
        assert_close(joints[:, 0], arrays["out/joints"], f"{name}: joints")
        truth = arrays["in/gt"][:, None]
        assert_close(
            _point_poses.to_box(truth, *box)[:, 0], arrays["out/gt_box"], name
        )
        distance = losses.JointDistance()(truth, joints)
        assert_close(distance, arrays["out/mpjpe_m"], f"{name}: distance")
        cotangent = ops.convert_to_tensor(arrays["in/cotangent"][:, None])
        for key, after in (("hm_box", None), ("hm", _point_poses.FromBox())):

            def total(hm, after=after, box=box, cotangent=cotangent):
                joints = joints_of(hm)
                if after is not None:
                    joints = after(joints, *box)
                return ops.sum(cotangent * joints)

            found = gradient(total, hm).transpose(0, 2, 3, 1)
            assert_close(found, arrays[f"grad/{key}"], f"{name}: grad {key}")


def constraints_inputs(arrays):
    keys = ("keypoints2d", "K", "M", "bone_length")
    return [ops.convert_to_tensor(arrays[f"in/{key}"][None]) for key in keys]


def test_losses(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("unipose"), "c3p_losses*.npz"
    ):
        form = losses.PoseConstraints("coco17")
        official = {f"loss_{TERMS[key]}": w for key, w in form.weights.items()}
        assert official == config["weights"]
        assert form.bones.tolist() == config["bones15"]
        assert form.limbs.reshape(-1, 2).tolist() == config["limb_pairs_order"]
        inputs, joints = constraints_inputs(arrays), arrays["in/joints"]
        total, found = form(joints[None], *inputs)
        assert_close(total, arrays["out/total"], f"{name}: total")
        for key, theirs in TERMS.items():
            assert_close(
                found[key], arrays[f"out/loss_{theirs}"], f"{name}: {key}"
            )
            alone = losses.PoseConstraints(
                "coco17",
                weights={other: float(other == key) for other in TERMS},
            )
            value = gradient(
                lambda y, f=alone, x=inputs: f(y[None], *x)[0], joints
            )
            expected = arrays[f"grad/joints_loss_{theirs}"]
            assert_close(value, expected, f"{name}: grad {key}", 2e-5)
        clip = losses.PoseConstraints("coco17", constancy="clip")
        _, found = clip(joints[None], *inputs)
        expected = arrays["out/loss_con2_clip_mean"]
        assert_close(found["constancy"], expected, f"{name}: mean of clips")


def test_train_step(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("unipose"), "c3p_train_step*.npz"
    ):
        frames = config["frames"]
        model = network(config, frames)
        load_official(model, part(arrays, "state/"))
        training = UniPoseTraining(
            model, use_extrinsics=True, bone_lengths="input"
        )
        inputs = clouds(arrays, frames)
        for key, theirs in (
            ("keypoints", "keypoints2d"),
            ("intrinsics", "K"),
            ("extrinsics", "M"),
            ("bone_lengths", "bone_length"),
        ):
            inputs[key] = arrays[f"in/{theirs}"][None]

        def objective(model, x, training=training):
            loss, report, _ = training.objective(x, None, True)
            return loss

        start, tried = model.get_weights(), []
        expected = part(arrays, "grad/")
        for key in ("joints1", "joints2"):
            expected.pop(key)

        # Batch statistics of two hourglasses enlarge rounding.
        def errors_of(
            x,
            training=training,
            objective=objective,
            start=start,
            tried=tried,
            expected=expected,
            total=arrays["out/loss"],
        ):
            training.model.set_weights(start)
            tried.append(x)
            loss, found = gradients(training, objective, x)
            errors = gradient_errors(training.model, found, expected)
            of_loss = relative_error(loss, total, "loss")
            return {"loss": of_loss / 1e-5} | {
                key: error / 1e-3 for key, error in errors.items()
            }

        assert_within_rounding(name, inputs, errors_of)
        inputs = tried[-1]
        model.set_weights(start)
        # PyTorch adds epsilon to the root after its correction, Keras before.
        training.compile(
            keras.optimizers.Adam(1e-4, epsilon=1e-8 * (1 - 0.999) ** 0.5)
        )
        logs = training.fit(inputs, batch_size=1, verbose=0).history
        assert_close(np.array(logs["loss"][0]), arrays["out/loss"], name)
        for key, theirs in TERMS.items():
            value = np.array(logs[key][0])
            expected_term = arrays[f"out/loss_{theirs}_stage2"]
            assert_close(value, expected_term, f"{name}: {key}", 1e-4)
        paths = {v: k for k, v in weights.official_names(model).items()}
        values = {v.path: ops.convert_to_numpy(v.value) for v in model.weights}
        for official, after in part(arrays, "out/after/").items():
            after = weights.convert_array(model, official, after)
            value = values[paths[official]]
            if official in expected:
                slope = weights.convert_array(
                    model, official, expected[official]
                )
                # The first step of Adam is hardly more than the sign.
                size = np.abs(slope)
                counts = size > max(1e-5, 2e-3 * size.max())
                value, after = value[counts], after[counts]
            if after.size:
                assert_close(value, after, f"{name}: {official}", 2e-5)


def test_point_transformer(fixtures_dir, monkeypatch):
    for name, config, arrays in cases(
        fixtures_dir("unipose"), "c3p_pt_network*.npz"
    ):
        joints, number = config["num_class"], config["num_point"]
        counts = [number // 4 ** (i + 1) for i in range(config["nblocks"])]
        model = UniPose(
            input_shape=(1, number, config["input_dim"]),
            skeleton=chain_skeleton(joints),
            network="point_transformer",
            num_centers=counts,
            num_neighbors=config["nneighbor"],
            attention_dim=config["transformer_dim"],
        )
        load_official(model, part(arrays, "state/"))
        starts = {
            n: arrays[f"in/fps_start{i}"] for i, n in enumerate(counts, 1)
        }
        choose = point_layers.farthest_points
        monkeypatch.setattr(
            point_layers,
            "farthest_points",
            lambda points, n, _, f=choose, s=starts: f(points, n, s[n]),
        )
        wanted = {
            "attention_down_0": "transformer1",
            "bottom_2": "fc2",
            "attention_bottom": "transformer2",
            "stage_1_heat_and_vectors": "hm",
        }
        for i in range(1, config["nblocks"] + 1):
            level = config["nblocks"] - i
            wanted |= {
                f"centers_{i}": f"fps_index{i}",
                f"centers_{i}_places": f"down{i}_xyz",
                f"down_{i}": f"down{i}_features",
                f"attention_down_{i}": f"down{i}_transformer",
                f"up_{level}": f"up{i}_features",
                f"attention_up_{level}": f"up{i}_transformer",
            }
        wanted = {k: v for k, v in wanted.items() if f"out/{v}" in arrays}
        assert "hm" in wanted.values()
        whole = keras.Model(
            model.input, {key: model.get_layer(key).output for key in wanted}
        )
        count = len(arrays["in/points"])
        inputs = {
            "points": arrays["in/points"][:, None],
            "rotation": np.tile(np.eye(3, dtype="float32"), (count, 1, 1, 1)),
            "offset": np.zeros((count, 1, 3), "float32"),
            "length": np.ones((count, 1), "float32"),
        }
        found = whole(inputs, training=False)
        for key, theirs in wanted.items():
            value = ops.convert_to_numpy(found[key])
            if theirs == "hm":
                value = value.transpose(0, 2, 3, 1)
            assert_close(value, arrays[f"out/{theirs}"], f"{name}: {key}", 2e-5)


def loaded(layer, tensors, prefix, *inputs):
    """The output of a layer with the tensors of PointNet++."""
    layer(*inputs)
    for k in range(len(layer.widths)):
        kernel = tensors[f"{prefix}.mlp_convs.{k}.weight"]
        kernel = kernel.reshape(kernel.shape[:2]).T
        norm = f"{prefix}.mlp_bns.{k}"
        layer.dense_layers[k].set_weights(
            [kernel, tensors[f"{prefix}.mlp_convs.{k}.bias"]]
        )
        layer.norms[k].set_weights(
            [
                tensors[f"{norm}.{each}"]
                for each in ("weight", "bias", "running_mean", "running_var")
            ]
        )
    return layer(*inputs)


def test_pointnet2_layers(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("unipose"), "pointnet2_layers*.npz"
    ):
        state, out = part(arrays, "state/"), part(arrays, "out/")
        places = ops.convert_to_tensor(arrays["in/xyz"])
        features = arrays.get("in/features")
        if features is not None:
            features = ops.convert_to_tensor(features)
        chosen = layers.farthest_points(
            places, config["npoint"], arrays["in/fps_start"]
        )
        np.testing.assert_array_equal(
            ops.convert_to_numpy(chosen), out["fps_index"]
        )
        centers = layers.TakePoints()(places, chosen)
        assert_close(centers, out["sa_xyz"], f"{name}: centres")
        groups = layers.PointGroups(
            config["nsample"], config["radius"] ** 2, order="index"
        )(centers, places)
        np.testing.assert_array_equal(
            ops.convert_to_numpy(groups), out["ball_query"]
        )
        sa = loaded(
            layers.SetAbstraction(config["sa_mlp"]),
            *(state, "sa", places, features, groups, centers),
        )
        assert_close(sa, out["sa_features"], f"{name}: abstraction")
        ga = loaded(
            layers.SetAbstraction(config["ga_mlp"]), state, "ga", centers, sa
        )
        assert_close(ga, out["global_feature"], f"{name}: whole cloud")
        ways = layers.InterpolationWeights()(places, centers)
        fp = loaded(
            layers.FeaturePropagation(config["fp_mlp"], skip_first=True),
            *(state, "fp", sa, features, *ways),
        )
        assert_close(fp, out["fp_features"], f"{name}: propagation")


def test_votes(fixtures_dir):
    for name, _, arrays in cases(
        fixtures_dir("unipose"), "point_to_joint_decode*.npz"
    ):
        logits, offsets = arrays["in/logits"], arrays["in/offsets"]
        joints = _point_poses.JointsByVote()(
            arrays["in/points"], offsets.reshape(*logits.shape[:2], -1), logits
        )
        assert_close(joints, arrays["out/joints"], name)


def test_losses_in_metres(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("unipose"), "weak_supervision_losses*.npz"
    ):
        weights = {
            {"bone": "constancy", "sym": "symmetry"}.get(key, key): weight
            for key, weight in config["weights"].items()
        }
        form = losses.PoseConstraints(
            "itop15", form="metric", thickness=config["rho"], weights=weights
        )
        bones = {frozenset(bone) for bone in form.bones.tolist()}
        assert bones == {frozenset(bone) for bone in config["bones"]}
        fx, fy, cx, cy = config["intrinsics_fx_fy_cx_cy"]
        camera = [[fx, 0, cx], [0, config["y_sign"] * fy, cy], [0, 0, 1]]
        joints = arrays["in/joints3d"]
        keypoints = np.concatenate(
            [arrays["in/keypoints2d"], arrays["in/score2d"][..., None]], axis=-1
        )
        given = keypoints, np.tile(np.float32(camera), (len(joints), 1, 1))
        total, found = form(joints, *given, points=arrays["in/points"])
        found = {**found, "total": total}
        for projection in ("plane", "pixels"):
            other = losses.PoseConstraints(
                "itop15", form="metric", projection=projection
            )
            _, terms = other(joints, *given, points=arrays["in/points"])
            found[projection] = terms["ray"]
        for key, theirs in {
            "ray": "loss_ray",
            "symmetry": "loss_symmetry",
            "constancy": "loss_bone_time",
            "motion": "loss_motion",
            "surface": "loss_surface",
            "plane": "loss_plane",
            "pixels": "loss_reprojection_px",
            "total": "total",
        }.items():
            assert_close(found[key], arrays[f"out/{theirs}"], f"{name}: {key}")
        value = gradient(
            lambda y, f=form, x=given, p=arrays["in/points"]: f(
                y, *x, points=p
            )[0],
            joints,
        )
        assert_close(value, arrays["grad/joints3d"], f"{name}: gradient", 2e-5)


@pytest.mark.once
def test_manifests(fixtures_dir):
    for name, manifest in documents(
        fixtures_dir("unipose"), "unipose_c3p_*.manifest.json"
    ):
        config = manifest["config"]
        joints = config["num_joints"]
        network = "hourglass"
        if "point transformer" in config["system"]:
            network = "point_transformer"
        cards = {
            ("hourglass", 15): "itop",
            ("hourglass", 17): "panoptic",
            ("point_transformer", 17): "panoptic_transformer",
        }
        if (network, joints) in cards:
            entry = weights.get("unipose", cards[network, joints])
            assert entry.files[0].name == config["checkpoint"].split()[0]
            model = names.build(entry, {})
            candidates = model.settings["num_candidates"]
            assert candidates == config["decode_candidates"]
        else:
            model = UniPose(
                input_shape=(1, config["num_points"], 6),
                skeleton=chain_skeleton(joints),
                network=network,
            )
        assert model.skeleton.num_joints == joints
        count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
        assert count == manifest["num_params"], name
        load_random_tensors(model, manifest["tensors"], name)
        keras.backend.clear_session()


@pytest.mark.once
def test_start_from_classes(fixtures_dir):
    for _, manifest in documents(
        fixtures_dir("unipose"), "unipose_pointnet2_*.manifest.json"
    ):
        model = UniPose(
            input_shape=(1, 600, 3), skeleton="itop15", network="voting"
        )
        random = np.random.default_rng(0)
        tensors = {
            key: random.random(shape, dtype="float32")
            for key, shape in manifest["tensors"].items()
        }
        before = {v.path: ops.convert_to_numpy(v.value) for v in model.weights}
        model.load_pointnet2(tensors)
        for variable in model.weights:
            value = ops.convert_to_numpy(variable.value)
            changed = not np.array_equal(value, before[variable.path])
            assert changed == ("abstraction" in variable.path)
        tensors.pop("sa2.mlp_convs.1.weight")
        with pytest.raises(ValueError, match="sa2.mlp_convs.1.weight"):
            model.load_pointnet2(tensors)


def test_all_forms_of_one_joint_are_alike():
    # What has no official numbers: the poster's sums.
    random = np.random.default_rng(0)
    joints = random.normal(size=(2, 4, 17, 3)).astype("float32")
    joints[..., 2] += 5
    keypoints = random.normal(size=(2, 4, 17, 2)).astype("float32")
    camera = np.tile(np.eye(3, dtype="float32"), (2, 1, 1))
    lengths = random.normal(size=(2, 8)).astype("float32")
    code, poster = (
        losses.PoseConstraints("coco17", form)(
            joints, keypoints, camera, bone_lengths=lengths
        )[1]
        for form in ("code", "poster")
    )
    for key, count in (("ray", 4 * 17), ("length", 4 * 8)):
        error = relative_error(
            poster[key] / count, ops.convert_to_numpy(code[key]), key
        )
        assert error < 1e-5
    way = joints[:, 1:-1] - (joints[:, 2:] + joints[:, :-2]) / 2
    expected = np.linalg.norm(way, axis=-1).sum(axis=(1, 2)).mean()
    assert_close(poster["motion"], expected, "motion")
