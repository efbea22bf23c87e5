"""BRL against the outputs of the official code."""

import numpy as np
import pytest
from graph_networks import RecordingSGD
from graph_networks import assert_manifests
from keras import ops
from pyskl_networks import as_loaded
from pyskl_networks import assert_inference
from pyskl_networks import build
from pyskl_networks import model_of
from support import assert_close
from support import assert_within_rounding
from support import cases
from support import documents
from support import gradient_errors
from support import nominal_counts
from support import part
from support import relative_error

from keras_skeleton import evaluation
from keras_skeleton import losses
from keras_skeleton import skeletons
from keras_skeleton.applications import BRL
from keras_skeleton.applications.brl import QUIRKS
from keras_skeleton.applications.brl import upper_joints
from keras_skeleton.training import BodyMixing
from keras_skeleton.weights import convert_array
from keras_skeleton.weights import load_official
from keras_skeleton.weights import official_names


def draws_of(arrays, number):
    """The chosen clips, and a donor for each clip that is really mixed."""
    chosen = np.isin(np.arange(number), arrays["in/draw_sample"])
    donors, rest = np.zeros(number, "int32"), list(arrays["in/draw_choice"])
    was_mixed = False
    for i in range(number):
        # Officially the next clip of the list is left out.
        was_mixed = chosen[i] and not was_mixed
        if was_mixed:
            donors[i] = rest.pop(0)
    assert not rest
    return chosen, donors


def test_inference(fixtures_dir):
    folder = fixtures_dir("brl")
    for name, config, arrays in cases(folder, "backbone_ctrgcn*.npz"):
        shape = arrays["in/keypoint"].shape[1:]
        model = build({**config["backbone"], "type": "CTRGCN"}, shape)
        assert_inference(name, model, arrays)


def test_recognizer(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("brl"), "recognizer_test*.npz"
    ):
        clips = arrays["in/keypoint"]
        shape = clips.shape[2:]
        classes = config["cls_head"]["num_classes"]
        model = build(config["backbone"], shape, classes)
        load_official(model, part(arrays, "state/"))
        scores = model.predict_on_batch(clips.reshape(-1, *shape))
        assert_close(scores, arrays["out/cls_score"], f"{name}: scores")
        scores = np.asarray(scores).reshape(*clips.shape[:2], classes)
        found = evaluation.average_scores(scores, probabilities=True)
        assert_close(found, arrays["out/avg_prob"], f"{name}: probabilities")
        found = evaluation.average_scores(scores)
        assert_close(found, arrays["out/avg_score"], f"{name}: mean scores")


def test_mixing(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("brl"), "mix_*.npz"):
        split = config["split"]
        layout = "nw_ucla" if split["split"] == "train" else "ntu"
        upper = upper_joints(skeletons.get(layout))
        clips, labels = arrays["in/keypoint"], arrays["in/label"]
        is_rebalanced = config["function"] == "rebalance_mix_up"
        layer = BodyMixing(
            upper,
            clips.shape[3],
            nominal_counts(split) if is_rebalanced else None,
            ratio=split["ratio"],
            upper_share=split["alpha"],
            dominance=split["im_k"],
            official=set(QUIRKS) - {"alternating_betas"},
        )
        chosen, donors = draws_of(arrays, len(clips))
        assert chosen.sum() == int(split["ratio"] * len(clips))
        mixed, received, share = layer(
            clips, labels, chosen=chosen, donors=donors
        )
        np.testing.assert_array_equal(mixed, arrays["out/keypoint"], name)
        np.testing.assert_array_equal(labels, arrays["out/label_a"], name)
        expected = arrays["out/label_b"][:, 0]
        np.testing.assert_array_equal(received, expected, name)
        expected = np.broadcast_to(arrays["out/mix_alpha"], len(clips))
        assert_close(share, expected, f"{name}: share")


def test_loss_of_the_head(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("brl"), "mixhead_loss*.npz"):
        counts = nominal_counts(config["split"])
        # The other heads differ in the loss of the second phase.
        other = {"MixCBHead": losses.ClassBalancedCrossentropy(counts)}
        model = BRL(
            **{**BRL.tiny, "class_counts": counts, "switch_epoch": 19},
            loss=other.get(config["cls_head"]["type"], "action_aware"),
            official=QUIRKS,
        )
        state = part(arrays, "state/")
        weight, bias = state["fc_cls.weight"], state["fc_cls.bias"]
        logits = arrays["in/feature"].mean(axis=(1, 3, 4)) @ weight.T + bias
        assert_close(logits, arrays["out/cls_score"], f"{name}: logits")
        own, other = arrays["in/label_a"], arrays["in/label_b"]
        # The official loss counts the late epochs that it has seen.
        late = sorted({epoch for _, epoch in config["calls"] if epoch >= 19})
        for i, (share, epoch) in enumerate(config["calls"]):
            if epoch >= 19:
                epoch = 19 + late.index(epoch)
            model.epoch.assign(epoch)
            values = [
                ops.mean(
                    model.loss_of(
                        ops.convert_to_tensor(labels, "int32"),
                        ops.convert_to_tensor(logits),
                    )
                )
                for labels in (own, other)
            ]
            found = share * values[0] + (1 - share) * values[1]
            assert_close(found, arrays[f"out/{i}_loss"], f"{name}: call {i}")
            for k in (1, 5):
                own_k, other_k = (
                    evaluation.top_k_accuracy(logits, labels, k)
                    for labels in (own, other)
                )
                found = (share * own_k + (1 - share) * other_k) / 100
                expected = float(arrays[f"out/{i}_top{k}"])
                assert found == pytest.approx(expected), f"{name}: call {i}"


def compared_with(arrays, model, optimizer, epoch):
    """Function from clips to the errors of a step, of what is allowed."""
    classifier, labels = model.model, arrays["in/label"]
    paths = [variable.path for variable in model.trainable_variables]
    ours = {v: k for k, v in official_names(classifier).items()}

    def errors_of(clips):
        load_official(classifier, part(arrays, "state/"))
        history = model.fit(
            clips,
            labels,
            batch_size=len(clips),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
        ).history
        slots = [slot.value for slot in optimizer.gradients]
        errors = gradient_errors(
            classifier,
            dict(zip(paths, slots, strict=True)),
            part(arrays, "grad/"),
        )
        errors = {key: error / 1e-4 for key, error in errors.items()}
        for key, value in (
            ("loss", history["loss"][0]),
            ("top1_acc", history["accuracy"][0]),
        ):
            error = relative_error(np.array(value), arrays[f"out/{key}"], key)
            errors[key] = error / 1e-5
        values = {v.path: v.value for v in classifier.weights}
        for key, value in part(arrays, "out/after/").items():
            value = convert_array(classifier, key, value)
            error = relative_error(values[ours[key]], value, key)
            errors[key] = error / 1e-5
        return errors

    return errors_of


def test_training_step(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("brl"), "train_step*.npz"):
        split = config["split"]
        clips = arrays["in/keypoint"][:, 0]
        counts = nominal_counts(split)
        model = BRL(
            build(config["backbone"], clips.shape[1:], len(counts)),
            class_counts=counts,
            mix_ratio=split["ratio"],
            upper_share=split["alpha"],
            dominance=split["im_k"],
            # The official loss is new, whatever the epoch.
            switch_epoch=max(config["epoch"], 19),
            official=QUIRKS,
        )
        found = np.ones(len(counts))
        if config["epoch"] >= 19:
            found = model.phases[1].class_weights
        expected = arrays["out/class_weight"]
        assert_close(found, expected, f"{name}: weights of classes")
        chosen, donors = draws_of(arrays, len(clips))
        model.mixing.choose = lambda _, x=chosen: ops.convert_to_tensor(x)
        model.mixing.draw_donors = lambda *_, x=donors: ops.convert_to_tensor(x)
        optimizer = RecordingSGD(0.0)
        model.compile(optimizer)
        optimizer.build(model.trainable_variables)
        errors_of = compared_with(arrays, model, optimizer, config["epoch"])
        assert_within_rounding(name, clips, errors_of)


@pytest.mark.once
def test_metrics(fixtures_dir):
    for name, _, arrays in cases(fixtures_dir("brl"), "metrics*.npz"):
        scores, labels = arrays["in/scores"], arrays["in/labels"]
        for k in (1, 5):
            found = evaluation.top_k_accuracy(scores, labels, k)
            assert found == pytest.approx(100 * float(arrays[f"out/top{k}"]))
        matrix = evaluation.confusion_matrix(
            labels, scores.argmax(axis=1), scores.shape[1]
        )
        found = evaluation.per_class_accuracy(matrix, absent=0)
        assert_close(found, 100 * arrays["out/per_class"], name)
        found = evaluation.mean_class_accuracy(matrix, absent=0)
        assert found == pytest.approx(100 * float(arrays["out/mean_class"]))


@pytest.mark.once
def test_manifests(fixtures_dir):
    manifests = list(documents(fixtures_dir("brl"), "brl_*.manifest.json"))
    assert_manifests(manifests, model_of, as_loaded)
