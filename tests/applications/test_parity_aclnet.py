"""ACLNet against the outputs and training steps of the official code."""

import keras
import numpy as np
import pytest
from keras import ops
from pyskl_networks import assert_every_tensor
from pyskl_networks import assert_inference
from pyskl_networks import network_of
from support import GradientRecorder
from support import assert_close
from support import assert_within_rounding
from support import cases
from support import documents
from support import gradient_errors
from support import part
from support import relative_error

from keras_skeleton import skeletons
from keras_skeleton.applications import ACLNet
from keras_skeleton.applications import ACLNetTraining
from keras_skeleton.evaluation import predict
from keras_skeleton.weights import convert_array
from keras_skeleton.weights import load_official
from keras_skeleton.weights import official_names


def test_inference(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("aclnet"), "backbone*.npz"):
        shape = arrays["in/keypoint"].shape[1:]
        model = network_of(ACLNet, config["backbone"], shape)
        assert_inference(name, model, arrays, 1e-5)


def classifier(config, arrays):
    """The classifier of a fixture, without its weights."""
    return network_of(
        ACLNet,
        config["backbone"],
        arrays["in/keypoint"].shape[2:],
        config["cls_head"]["num_classes"],
    )


def test_scores_of_several_clips(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("aclnet"), "recognizer_test*.npz"
    ):
        model = classifier(config, arrays)
        load_official(model, part(arrays, "state/"))
        clips, expected = arrays["in/keypoint"], part(arrays, "out/")
        each = clips.reshape(-1, *clips.shape[2:])
        pooled = model.get_layer("pooled").output
        outputs = keras.Model(
            model.input, [model.feature_map, pooled, model.output]
        ).predict_on_batch(each)
        features, pooled, scores = map(ops.convert_to_numpy, outputs)
        found = {
            "feature": features.transpose(0, 1, 4, 2, 3),
            "pooled": pooled,
            "cls_score": scores,
            "avg_score": predict(model, clips)[0],
            "avg_prob": predict(model, clips, probabilities=True)[0],
        }
        for key, value in expected.items():
            assert_close(found[key], value, f"{name}: {key}")


def prepare(model, config, arrays):
    """Puts the state before the official step into the training."""
    load_official(model, part(arrays, "state/"))
    affinity, memory = model.affinity, model.memory
    affinity.prototypes.assign(arrays["in/avg_f"].T)
    affinity.bank.assign(arrays["in/neighborhood_bank"])
    affinity.set_in.assign(-1)
    memory.push(
        ops.convert_to_tensor(arrays["in/feature_bank"]),
        label=ops.convert_to_tensor(arrays["in/label_bank"][:, 0]),
    )
    attributes = config["inter_attrs"]
    epoch = attributes["current_epoch"] - 1
    # Before any contrast, or the first step of an epoch, in which
    # superclasses are set.
    is_on = attributes["state"] == "Affinitive"
    assert is_on == (epoch >= affinity.contrast_epochs)
    assert attributes["epoch_state"] or not is_on
    return epoch


def state_errors(model, arrays):
    """Errors of what a step leaves behind."""
    affinity, memory = model.affinity, model.memory
    size = memory.size
    found = {
        "avg_f": ops.transpose(affinity.prototypes.value),
        "neighborhood_bank": affinity.bank.value,
        "superclass_mask": affinity.members.value,
        "feature_bank": memory.newest(size),
        "label_bank": memory.newest(size, "label")[:, None],
    }
    names = {v: k for k, v in official_names(model).items()}
    values = {v.path: v.value for v in model.weights}
    errors = {
        key: relative_error(value, arrays[f"out/{key}"], key)
        for key, value in found.items()
    }
    for official, expected in part(arrays, "out/after/").items():
        expected = convert_array(model, official, expected)
        value = values[names[official]]
        errors[official] = relative_error(value, expected, official)
    return errors


def test_training_step(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("aclnet"), "train_step*.npz"
    ):
        model = ACLNetTraining(
            classifier(config, arrays), memory_size=config["intra_mem"]
        )
        model.compile(GradientRecorder(learning_rate=1.0))
        labels = arrays["in/label"][:, 0]

        def errors_of(clips, model=model, config=config, arrays=arrays,
                      labels=labels):  # fmt: skip
            epoch = prepare(model, config, arrays)
            logs = model.fit(
                clips,
                labels,
                batch_size=len(labels),
                initial_epoch=epoch,
                epochs=epoch + 1,
                shuffle=False,
                verbose=0,
            ).history
            assert logs["accuracy"][0] == pytest.approx(
                float(arrays["out/top1_acc"])
            )
            found = dict(
                zip(
                    (v.path for v in model.trainable_variables),
                    (x.value for x in model.optimizer.gradients),
                    strict=True,
                )
            )
            names = {
                "loss": "loss",
                "ce": "crossentropy",
                "inter": "inter_class",
                "intra": "intra_class",
            }
            errors = {}
            for key, ours in names.items():
                value = np.array(logs[ours][0])
                error = relative_error(value, arrays[f"out/{key}"], key)
                errors[key] = error / 1e-5
            for key, error in state_errors(model, arrays).items():
                errors[f"state {key}"] = error / 1e-5
            gradients = gradient_errors(model, found, part(arrays, "grad/"))
            for key, error in gradients.items():
                errors[f"gradient {key}"] = error / 1e-4
            return errors

        assert_within_rounding(name, arrays["in/keypoint"][:, 0], errors_of)


@pytest.mark.once
def test_manifests(fixtures_dir):
    for name, manifest in documents(
        fixtures_dir("aclnet"), "aclnet_*.manifest.json"
    ):
        config = {**manifest["config"]["defaults"]}
        config |= manifest["config"]["backbone"]
        layout = config["graph_cfg"]["layout"]
        skeleton = {"nturgb+d": "ntu", "coco_new": "coco20"}[layout]
        joints = skeletons.get(skeleton).num_joints
        model = network_of(
            ACLNet,
            config,
            (config["num_person"], 16, joints, config["in_channels"]),
            manifest["config"]["cls_head"]["num_classes"],
        )
        training = ACLNetTraining(model, memory_size=8)
        assert_every_tensor(name, training, model, manifest)
