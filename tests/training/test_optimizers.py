import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton.applications import MAMP
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import SGD
from keras_skeleton.training import LayerwiseAdamW
from keras_skeleton.training import layerwise_scales
from keras_skeleton.training import warmup_cosine


def tiny_classifier():
    return MAMP(
        input_shape=(1, 8, 20, 3),
        skeleton="nw_ucla",
        hidden_dim=8,
        num_layers=2,
        num_heads=2,
        head_dim=4,
        classes=3,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.02},
        {"momentum": 0.9, "nesterov": False},
        {"momentum": 0.0, "nesterov": False, "weight_decay": 0.5},
    ],
)
def test_sgd_equals_torch(settings):
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    start = random.normal(size=(4, 3)).astype("float32")
    # Falling at once: a velocity that holds steps would lag behind.
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [3], [0.5, 0.05]
    )
    optimizer = SGD(schedule, **settings)
    optimizer = SGD.from_config(optimizer.get_config())
    ours = keras.Variable(start, name="kernel")
    optimizer.build([ours])
    theirs = torch.nn.Parameter(torch.tensor(start))
    torch_optimizer = torch.optim.SGD([theirs], lr=0.5, **settings)
    for step in range(8):
        gradient = random.normal(size=start.shape).astype("float32")
        optimizer.apply([ops.convert_to_tensor(gradient)])
        torch_optimizer.param_groups[0]["lr"] = 0.5 if step <= 3 else 0.05
        theirs.grad = torch.tensor(gradient)
        torch_optimizer.step()
        np.testing.assert_allclose(
            ops.convert_to_numpy(ours.value),
            theirs.detach().numpy(),
            rtol=1e-5,
            atol=1e-6,
        )


def test_equals_torch_with_parameter_groups():
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    start = {
        "first/kernel": random.normal(size=(4, 3)).astype("float32"),
        "first/bias": random.normal(size=3).astype("float32"),
        "second/kernel": random.normal(size=(3, 2)).astype("float32"),
    }
    groups = {
        "first/kernel": (0.5, 0.05),
        "first/bias": (0.5, 0.0),
        "second/kernel": (1.0, 0.05),
    }
    steps, peak = 12, 0.1
    schedule = warmup_cosine(peak, 0.01, warmup_steps=4, total_steps=steps)

    parameters = {
        name: torch.nn.Parameter(torch.tensor(array))
        for name, array in start.items()
    }
    theirs = torch.optim.AdamW(
        [
            {"params": [parameters[name]], "weight_decay": decay}
            for name, (_, decay) in groups.items()
        ],
        betas=(0.9, 0.95),
        eps=1e-8,
    )
    layers = {
        "first": keras.layers.Dense(3, name="first"),
        "second": keras.layers.Dense(2, use_bias=False, name="second"),
    }
    layers["first"].build((None, 4))
    layers["second"].build((None, 3))
    variables = {
        v.path: v for layer in layers.values() for v in layer.variables
    }
    for name, array in start.items():
        variables[name].assign(array)
    ours = LayerwiseAdamW(
        schedule, weight_decay=0.05, scales={"first": 0.5}, beta_2=0.95
    )
    for step in range(steps):
        gradients = {
            # Some so small that it shows where `epsilon` is added.
            name: random.normal(size=array.shape).astype("float32")
            * (1e-8 if name == "second/kernel" else 1)
            for name, array in start.items()
        }
        rate = float(ops.convert_to_numpy(schedule(step)))
        for group, (scale, _) in zip(
            theirs.param_groups, groups.values(), strict=True
        ):
            group["lr"] = rate * scale
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(gradients[name])
        theirs.step()
        ours.apply(
            [ops.convert_to_tensor(gradients[name]) for name in variables],
            list(variables.values()),
        )
    for name, variable in variables.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(variable.value),
            parameters[name].detach().numpy(),
            atol=1e-5,
        )


def test_published_recipe_in_compile(tmp_path):
    model = tiny_classifier()
    optimizer = LayerwiseAdamW(
        warmup_cosine(3e-3, 1e-5, warmup_steps=2, total_steps=8),
        scales=layerwise_scales(model, 0.8),
        clipnorm=1.0,
    )
    model.compile(optimizer, SmoothedCrossentropy(0.1), metrics=["accuracy"])
    clips = np.random.default_rng(0).normal(size=(6, 1, 8, 20, 3))
    before = [ops.convert_to_numpy(v.value) for v in model.trainable_weights]
    model.fit(clips, np.arange(6) % 3, batch_size=3, epochs=2, verbose=0)
    for old, new in zip(before, model.trainable_weights, strict=True):
        assert np.abs(old - ops.convert_to_numpy(new.value)).max() > 0, new.path
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, LayerwiseAdamW)
    assert loaded.optimizer.get_config() == optimizer.get_config()
    loaded.fit(clips, np.arange(6) % 3, batch_size=3, verbose=0)


def test_layerwise_scales():
    scales = layerwise_scales(tiny_classifier(), 0.5)
    assert scales == {
        "joint_embedding": 0.125,
        "position_embedding": 0.125,
        "block_0": 0.25,
        "block_1": 0.5,
    }
    plain = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="TransformerBlock"):
        layerwise_scales(plain, 0.5)


def test_schedule_without_and_with_warmup():
    def rate(schedule, step):
        return float(ops.convert_to_numpy(schedule(step)))

    plain = warmup_cosine(1.0, 0.2, total_steps=10)
    assert rate(plain, 0) == pytest.approx(1.0)
    assert rate(plain, 5) == pytest.approx(0.6)
    assert rate(plain, 10) == rate(plain, 99) == pytest.approx(0.2)
    warm = warmup_cosine(1.0, warmup_steps=4, total_steps=10)
    assert rate(warm, 0) == 0
    assert rate(warm, 2) == pytest.approx(0.5)
    assert rate(warm, 7) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="total_steps"):
        warmup_cosine(1.0, warmup_steps=5, total_steps=5)
