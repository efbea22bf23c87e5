"""The PyTorch twins of contrastive pre-training compute what is published."""

import importlib.util
import pathlib

import pytest
from support import assert_close
from support import cases
from support import part

pytestmark = pytest.mark.once

torch = pytest.importorskip("torch")
TWINS = pathlib.Path(__file__).parents[1] / "benchmarks" / "contrast_twins.py"


@pytest.fixture(scope="module")
def twins():
    spec = importlib.util.spec_from_file_location("contrast_twins", TWINS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contrast_of(args):
    return {
        "head_dim": args.get("feature_dim", args.get("dim")),
        "queue_size": args.get("queue_size", args.get("K")),
        "momentum": args.get("momentum", args.get("m")),
        "temperature": args.get("Temperature", args.get("T")),
    }


def shape_of(clips):
    _, channels, frames, joints, persons = clips.shape
    return persons, frames, joints, channels


def network_of(args):
    return args["hidden_channels"], args["hidden_dim"], args["dropout"]


def check_step(name, config, arrays, twin, loss_of):
    """Compares the loss of a step, its gradients, keys and queue."""
    state = part(arrays, "state/")
    assert state.keys() == twin.state_dict().keys(), name
    twin.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    twin.train(config["mode"] == "train")
    loss = loss_of(twin)
    loss.backward()
    out = part(arrays, "out/")
    assert_close(loss.item(), out["loss"], f"{name}: loss")
    expected = part(arrays, "grad/")
    assert expected
    parameters = dict(twin.named_parameters())
    for key, value in expected.items():
        found = parameters[key].grad.numpy()
        assert_close(found, value, f"{name}: gradient of {key}", 1e-4)
    after = twin.state_dict()
    for key in ("queue", "queue_ptr"):
        assert_close(after[key].numpy(), out[f"{key}_after"], f"{name}: {key}")


def mined(config):
    return config["topk"] if config["nnm"] else 0


def tensors(arrays, *names):
    return [torch.from_numpy(arrays[f"in/{name}"]) for name in names]


def test_hiclr(fixtures_dir, twins):
    for name, config, arrays in cases(
        fixtures_dir("hiclr"), "pretext_gcn*.npz"
    ):
        args = config["args"]
        shape = shape_of(arrays["in/im_q"])
        twin = twins.HiCLR(shape, *network_of(args), **contrast_of(args))
        views = tensors(arrays, "im_q", "im_k", "im_q_1", "im_q_2", "mask_TV")
        views.append(mined(config))
        check_step(
            name,
            config,
            arrays,
            twin,
            lambda twin, views=views: twin.loss(*views),
        )


def test_msclr(fixtures_dir, twins):
    for name, config, arrays in cases(fixtures_dir("msclr"), "pretext*.npz"):
        args = config["args"]
        layouts = {
            layout: arrays[f"state/encoder_q.data_bn.{layout}.weight"].size
            // args["in_channels"]
            for layout in args["skeletons"]
        }
        shape = shape_of(arrays["in/im_q"])
        twin = twins.MSCLR(
            shape, layouts, *network_of(args), **contrast_of(args)
        )
        views = tensors(arrays, "im_q", "im_k", "im_q_extreme")
        views += [config["q_skeleton"], config["k_skeleton"], mined(config)]
        check_step(
            name,
            config,
            arrays,
            twin,
            lambda twin, views=views: twin.loss(*views),
        )


def test_halp(fixtures_dir, twins):
    for name, config, arrays in cases(fixtures_dir("halp"), "halp_loss*.npz"):
        args, own = config["args"], config["halp_args"]
        network = args["args_bi_gru"]
        clips = tensors(arrays, "im_q", "im_k")
        if args["modality_to_use"] != "joint":
            continue
        twin = twins.HaLP(
            shape_of(clips[0]),
            network["en_hidden_size"],
            network["en_num_layers"],
            own["num_prototypes"],
            own["num_positives"],
            float(own["lambda_pos"]),
            own["mu"],
            own["num_closest_to_ignore_positives"],
            own["skip_closest_positives"],
            **contrast_of(args),
        )
        columns, shares = tensors(arrays, "draw_index_0", "draw_uniform_0")
        draws = columns, shares.reshape(columns.shape)
        check_step(
            name,
            config,
            arrays,
            twin,
            lambda twin, inputs=(*clips, *draws): twin.loss(*inputs),
        )
