"""SkeletonMAE against the modules of GraphMAE and reference formulas.

The authors published no code; the README of the fixtures says what each file
was made with.
"""

import keras
import numpy as np
from keras import ops
from support import assert_close
from support import cases
from support import gradients
from support import part

from keras_skeleton import layers
from keras_skeleton import skeletons
from keras_skeleton.applications import SkeletonMAE
from keras_skeleton.applications import SkeletonMAEPretext
from keras_skeleton.applications._hidden_parts import PARTS
from keras_skeleton.applications._representation import FramePositions
from keras_skeleton.applications._representation import RepresentationLayer
from keras_skeleton.applications.skeletonmae import LINKS
from keras_skeleton.losses import ReweightedCosineError
from keras_skeleton.weights import conversion
from keras_skeleton.weights import skeletonmae
from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import ConversionTable

SYSTEM = "skeletonmae"


def load(layer, entries, state):
    """Puts tensors into a layer, every one into its variable."""
    table = ConversionTable(tuple(entries), {}, skeletonmae.IGNORED)
    left = {name for name in state if not table.is_ignored(name)}
    left = {name for name in left if not name.endswith(".eps")}
    for variable in layer.weights:
        path = variable.path.removeprefix(f"{layer.name}/")
        entry, name = table.find(path)
        array = state[name]
        variable.assign(entry.convert(array) if entry.convert else array)
        left.remove(name)
    assert not left


def gin(name, state, shape, **arguments):
    graph = arguments.pop("graph")
    layer = layers.GraphIsomorphismNetwork(graph=graph, name=name, **arguments)
    layer.build(shape)
    load(layer, skeletonmae.isomorphism_layer("layers.{i}", "layer_{i}"), state)
    return layer


def published_graph():
    skeleton = skeletons.get("coco17")
    return layers.body_graph(17, (*skeleton.edges, *LINKS["coco17"]))


def test_the_published_graph(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir(SYSTEM), "*.npz"):
        joints = max(map(max, config.get("edges", config.get("parts")))) + 1
        if "in/adjacency" in arrays:
            graph = layers.body_graph(joints, config["edges"])
            if config.get("self_loops_in_adjacency"):
                graph = graph + np.eye(joints)
            elif joints == 17:
                assert_close(published_graph(), graph, name, 0)
            assert_close(graph, arrays["in/adjacency"], name, 0)
        if "parts" in config and joints == 17:
            parts = [list(joints) for joints in PARTS["coco17"].values()]
            assert parts == config["parts"], name


def test_encoder(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir(SYSTEM), "gin_encoder*.npz"):
        out, x = part(arrays, "out/"), arrays["in/x"]
        layer = gin(
            "gin",
            part(arrays, "state/"),
            x.shape,
            filters=config["num_hidden"],
            graph=arrays["in/adjacency"],
            num_layers=config["num_layers"],
            activation=config["activation"],
            center_weight=1 + config["eps_gin"],
            residual=config["residual"],
            normalization=config["norm"].removesuffix("norm"),
        )
        value = x
        for i, each in enumerate(layer.layers):
            value = each(value)
            assert_close(value, out[f"hidden{i}"], f"{name}: layer {i}")
        assert_close(layer(x), out["h"], f"{name}: encoder")

        model = Given(x, layer)

        def loss(model, _):
            return ops.mean(ops.square(model.layer(model.x, training=False)))

        found, gradient = gradients(model, loss, x)
        expected = np.float32(out["loss_mean_square"])
        assert_close(np.float32(found), expected, f"{name}: loss")
        assert_close(gradient["given/x"], arrays["grad/x"], f"{name}: inputs")
        kernel = arrays["grad/layers.0.apply_func.mlp.linears.0.weight"].T
        assert_close(
            gradient["gin/layer_0/hidden/kernel"], kernel, f"{name}: kernel"
        )
        batch = layer(x, training=True)
        assert_close(
            batch,
            out["h_train_mode_batch_statistics"],
            f"{name}: batch statistics",
        )


class Given(keras.Model):
    """An array as a variable to take gradients of, and maybe a layer."""

    def __init__(self, array, layer=None):
        super().__init__(name="given")
        self.layer = layer
        self.x = self.add_weight(array.shape, name="x")
        self.x.assign(array)
        self.built = True


def test_loss(fixtures_dir):
    for name, _, arrays in cases(fixtures_dir(SYSTEM), "rce_loss*.npz"):
        target, predicted = arrays["in/x"], arrays["in/z"]
        mask = arrays["in/mask"]
        error = ReweightedCosineError(exponent=1).call(target, predicted)
        assert_close(error, arrays["out/cosine_error"], f"{name}: errors")
        recorded = part(arrays, "out/rce_")
        assert recorded, name
        for key, expected in recorded.items():
            form, exponent = key.split("_beta")
            loss = ReweightedCosineError(float(exponent), form)
            found = loss(target, predicted, sample_weight=mask)
            assert_close(found, expected, f"{name}: {key}")

        inputs = {"target": target, "mask": mask}
        for key, expected in part(arrays, "grad/z_rce_").items():
            form, exponent = key.split("_beta")
            loss = ReweightedCosineError(float(exponent), form)

            def objective(model, x, loss=loss):
                return loss(x["target"], model.x, sample_weight=x["mask"])

            _, found = gradients(Given(predicted), objective, inputs)
            assert_close(
                found["given/x"], expected, f"{name}: gradient of {key}"
            )


def body(config):
    """The layout of a file: the published one, or a tree and other links."""
    joints, edges = config["num_joints"], config["edges"]
    graph = layers.body_graph(joints, edges)
    if joints == 17 and (graph == published_graph()).all():
        return {"skeleton": "coco17"}
    tree, reached = [], [0]
    for parent in reached:
        for child in np.flatnonzero(graph[parent]).tolist():
            if child not in reached:
                tree.append((child, parent))
                reached.append(child)
    names = tuple(f"joint {i}" for i in range(joints))
    links = [pair for pair in edges if not is_in(pair, tree)]
    return {
        "skeleton": skeletons.Skeleton("of a file", names, tree, center=0),
        "links": links,
    }


def is_in(pair, tree):
    return tuple(pair) in tree or tuple(pair[::-1]) in tree


def parts_of(config):
    return {str(i): joints for i, joints in enumerate(config["parts"])}


def pretext_model(config, state, shape, **arguments):
    _, frames, joints, coordinates = shape
    model = SkeletonMAEPretext(
        input_shape=(1, frames, joints, coordinates),
        parts=parts_of(config),
        **body(config),
        hidden_dim=config["D"],
        encoder_dim=config["D_h"],
        encoder_layers=config["L_D"],
        activation=config["activation"],
        exponent=config["beta"],
        center_weight=1 + state["encoder.layers.0.eps"].item(),
        **{"hidden_parts": ("0",), **arguments},
    )
    conversion.load_official(model, state)
    return model


def fix_mask(model, mask):
    """Hides what a fixture hides."""
    mask = ops.convert_to_tensor(mask)
    model.hide = lambda clips: (mask, mask)


def objective(model, clips):
    return model.objective(clips, None, False)[0]


def test_pretext(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir(SYSTEM), "pretrain_forward*.npz"
    ):
        out, state = part(arrays, "out/"), part(arrays, "state/")
        clips = arrays["in/skeleton"][:, None]
        mask = arrays["in/mask"].reshape(-1, config["num_joints"])
        shape = out["x"].shape

        model = pretext_model(config, state, clips.shape[1:][-4:])
        rows = model.prepare(clips)
        embedded = model.encoder.joint_embedding(rows)
        hidden = model.mask_token(embedded, None, mask)
        for value, key in (
            (embedded, "x"),
            (hidden, "x_masked"),
            (model.encoder.joint_encoder(hidden), "h"),
            (model.predict_hidden(rows, mask), "y"),
        ):
            value = ops.reshape(value, (*shape[:-1], -1))
            assert_close(value, out[key], f"{name}: {key}")
        model.remask = True
        y = ops.reshape(model.predict_hidden(rows, mask), shape)
        assert_close(y, out["y_remask"], f"{name}: hidden again")

        # Each clip has parts of its own: drawn so, they are those of the file.
        for clip, hidden_parts in enumerate(config["masked_parts_per_sample"]):
            fixed = pretext_model(
                config,
                state,
                clips.shape[1:][-4:],
                hidden_parts=list(map(str, hidden_parts)),
            )
            found, _ = fixed.hide(fixed.prepare(clips[clip : clip + 1]))
            assert_close(found, arrays["in/mask"][clip], f"{name}: parts", 0)

        for form, remask, detached, prefix in (
            ("paper", False, False, "grad/"),
            ("paper", False, True, "grad_detached_target/"),
            ("mean", True, False, "grad_remask_mean/"),
            ("mean", False, True, None),
            ("paper", True, True, None),
        ):
            model = pretext_model(
                config,
                state,
                clips.shape[1:][-4:],
                form=form,
                remask=remask,
                detach_target=detached,
            )
            fix_mask(model, mask)
            expected = out[f"loss_{form}" + ("_remask" if remask else "")]
            label = f"{name}: {form}, {remask}, {detached}"
            if prefix is None:
                assert_close(objective(model, clips), expected, label)
                continue
            loss, found = gradients(model, objective, clips)
            assert_close(np.float32(loss), np.float32(expected), label)
            names = {v: k for k, v in conversion.official_names(model).items()}
            recorded = part(arrays, prefix)
            assert recorded, label
            for official, gradient in recorded.items():
                gradient = conversion.convert_array(model, official, gradient)
                assert_close(
                    found[names[official]], gradient, f"{label}, {official}"
                )


def test_representation_layer(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir(SYSTEM), "strl_layer*.npz"):
        out, state = part(arrays, "out/"), part(arrays, "state/")
        x = arrays["in/S"]
        positions = FramePositions(name="positions")
        positions.build(x.shape)
        positions.positions.assign(state.pop("pe"))
        x = positions(x)
        assert_close(x, out["H_plus_PE"], f"{name}: positions")
        encoders = [
            gin(
                f"person_{m}",
                {
                    key: state.pop(f"encoder_person{m}.{key}")
                    for key in part(state, f"encoder_person{m}.")
                },
                x[:, m].shape,
                filters=config["D_h"],
                graph=arrays["in/adjacency"],
                num_layers=config["L_D"],
            )
            for m in range(config["P"])
        ]
        layer = RepresentationLayer(encoders, config["D_out"], name="strl")
        layer.build(x.shape)
        entries = [
            *names_of.linear("residual_conv", "residual"),
            *names_of.linear("W", "projection"),
        ]
        own = [v for v in layer.weights if v.path.startswith("strl/")]
        load(Weights("strl", own), entries, state)
        assert_close(layer.encoded(x), out["encoder"], f"{name}: encoders")
        assert_close(layer.summed(x), out["SM"], f"{name}: summed")
        assert_close(layer(x), out["layer"], f"{name}: layer")


class Weights:
    """Some variables of a layer, by its name."""

    def __init__(self, name, weights):
        self.name, self.weights = name, weights


def test_encoder_of_the_application(fixtures_dir):
    """The application's encoder is what pre-training sees, unmasked."""
    for name, config, arrays in cases(
        fixtures_dir(SYSTEM), "pretrain_forward*.npz"
    ):
        state = part(arrays, "state/")
        clips = arrays["in/skeleton"][:, None]
        pretext = pretext_model(config, state, clips.shape[1:][-4:])
        encoder = SkeletonMAE(
            **{
                key: value
                for key, value in pretext.encoder.get_config().items()
                if key not in ("name", "dtype")
            }
        )
        conversion.load_official(encoder, state)
        rows = pretext.prepare(clips)
        expected = pretext.encoder.joint_encoder(
            pretext.encoder.joint_embedding(rows)
        )
        expected = ops.convert_to_numpy(expected)
        found = encoder(clips)
        assert_close(found, expected.reshape(found.shape), name)
