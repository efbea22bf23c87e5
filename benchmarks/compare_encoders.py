"""Compares encoders trained without labels, by the protocols of the field.

    KERAS_BACKEND=tensorflow python benchmarks/compare_encoders.py \
        all_sqe.zip mamp:nw_ucla_pretext stars:nw_ucla hiclr:nw_ucla

Each encoder is `SYSTEM:WEIGHTS`, the weights being a registered name or a
file of `save_weights`; `SYSTEM:WEIGHTS:random` is the same network before any
training. The data and the transforms are those of the weights' card. Every
system is probed and trained in one way, whatever its publication did:

- linear: a dense layer on normalized features, stochastic gradient descent of
  learning rate 0.1, 100 epochs;
- 1-nn: the nearest training clip by cosine;
- semi: the system's recipe with a tenth of the labels of each class, for
  `--semi-epochs`, the mean of three choices;
- fine-tuned: the system's recipe with all labels, for `--epochs`.

Each result is kept as JSON in the output folder, and what is there is not
measured again, so that a run that was stopped goes on.
"""

import argparse
import pathlib

import keras

from keras_skeleton import evaluation
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.evaluation import recipe as recipes
from keras_skeleton.weights import conversion
from keras_skeleton.weights import get
from keras_skeleton.weights import reader

PROBE = {
    "learning_rate": 0.1,
    "steps": (),
    "epochs": 100,
    "batch_size": 256,
    "normalize": True,
    "head_stddev": 0.01,
}


def protocols(options):
    """Calls by name, each with an encoder, both parts and transforms."""
    return {
        "linear": lambda *given, **more: evaluation.linear_probe(
            *given, **PROBE, **more
        ),
        "knn": evaluation.nearest_neighbors,
        "semi": lambda *given, **more: evaluation.semi_supervised(
            *given,
            ratio=0.1,
            choice="balanced",
            repetitions=3,
            epochs=options.semi_epochs,
            **more,
        ),
        "finetune": lambda *given, **more: evaluation.fine_tune(
            *given, epochs=options.epochs, **more
        ),
    }


def load(name):
    """The encoder of a name, and the transforms of its clips."""
    system, weights, *form = name.split(":")
    application, *_ = conversion.classes_of(system).values()
    encoder = application(weights)
    if pathlib.Path(weights).is_file():
        _, card = reader.read_safetensors(weights)
    else:
        card = get(system, weights).recipe
    if form == ["random"]:
        encoder = type(encoder).from_config(encoder.get_config())
    elif form:
        raise ValueError(
            f"{name!r} ends in {form[0]!r}; only 'random' may follow the "
            "weights."
        )
    return encoder, recipes.find_recipe(name, card).transforms


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_path")
    parser.add_argument("encoders", nargs="+")
    parser.add_argument("--protocols", nargs="+", default=["linear", "knn"])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--semi-epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="runs/compare_encoders")
    options = parser.parse_args()

    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    train, test = nw_ucla.load_data(options.data_path).split("xview")
    calls = protocols(options)
    table = evaluation.Comparison()
    for name in options.encoders:
        keras.utils.set_random_seed(options.seed)
        encoder, transforms = load(name)
        for protocol in options.protocols:
            label = name.replace("/", "_").replace(":", "_")
            file = folder / f"{label}_{protocol}_{options.seed}.json"
            if file.exists():
                found = evaluation.Result.load(file)
            else:
                arguments = {"transforms": transforms}
                if protocol != "knn":
                    arguments["seed"] = options.seed
                found = calls[protocol](encoder, train, test, **arguments)
                found = found.named(system=name)
                found.save(file)
                print(found, flush=True)
            table.add(found)
    print(table.to_markdown())


if __name__ == "__main__":
    main()
