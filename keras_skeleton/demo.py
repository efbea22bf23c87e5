"""The demo: what pre-training without labels buys where labels are few.

On generated clips a small encoder is pre-trained first; on NW-UCLA the one
that comes with the package is taken. It uses nothing but the public interface,
so it also shows how the parts of the package work together.
"""

import dataclasses
import json
import pathlib
import time

import keras
import numpy as np

from keras_skeleton import _graph
from keras_skeleton import _outputs
from keras_skeleton import datasets
from keras_skeleton import drawing
from keras_skeleton import evaluation
from keras_skeleton import explain
from keras_skeleton import weights
from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.evaluation.progress import EpochBar
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import deserialize_transforms
from keras_skeleton.layers.augmentation import filling_lost_frames
from keras_skeleton.training import Recipe


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large the demo is; the defaults take minutes on two cores."""

    num_clips: int = 1500
    noise: float = 0.005
    num_frames: int = 32
    hidden_dim: int = 64
    num_layers: int = 3
    num_heads: int = 4
    head_dim: int = 128
    decoder_layers: int = 1
    batch_size: int = 32
    pretraining_epochs: int = 60
    labels_per_class: int = 1
    labelled_batch_size: int = 15
    learning_rate: float = 1e-3
    finetuning_epochs: int = 180


#: With the packaged encoder, which is larger and needs no pre-training.
PACKAGED = Sizes(
    labels_per_class=5,
    labelled_batch_size=16,
    learning_rate=3e-4,
    finetuning_epochs=60,
)
SHORT = Sizes(
    num_clips=90,
    num_frames=16,
    hidden_dim=16,
    num_layers=2,
    num_heads=2,
    head_dim=16,
    pretraining_epochs=1,
    labels_per_class=2,
    finetuning_epochs=2,
)


def run(path=None, output="demo_output", seed=0, sizes=None):
    """Runs the demo and writes its results into a folder.

    Args:
        path: `all_sqe.zip` of NW-UCLA or its folder, see
            `datasets.nw_ucla.load_data`. By default the clips are generated.
        output: Folder of the results; it is made.
        seed: Seed of the generated clips, the choice of labelled clips and
            all trainings.
        sizes: A `Sizes`.

    Returns:
        Dict, the content of `results.json`; accuracies in percent.
    """
    sizes = sizes or (Sizes() if path is None else PACKAGED)
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()

    if path is None:
        name, protocol = "synthetic", "xsub"
        data = datasets.synthetic.load_data(
            sizes.num_clips, skeleton="kinect20", noise=sizes.noise, seed=seed
        )
        plain = [
            Center(skeleton=data.skeleton),
            CropResize(sizes.num_frames, interval=(0.95,)),
        ]
    else:
        name, protocol = "nw_ucla", "xview"
        data = datasets.nw_ucla.load_data(path)
        card = weights.get("mamp", "nw_ucla_pretext")
        plain = deserialize_transforms(card.recipe["transforms"])
    plain = filling_lost_frames(plain)
    train, test = data.split(protocol)
    few = choose_per_class(train, sizes.labels_per_class, seed)
    print(f"{name}: {data}")
    print(
        f"{len(train)} training clips, of which {len(few)} keep their label; "
        f"{len(test)} test clips"
    )
    few_batches = few.to_keras(plain, sizes.batch_size)
    test_batches = test.to_keras(plain, batch_size=64)

    keras.utils.set_random_seed(seed)
    if path is None:
        encoder = _encoder(data, sizes)
    else:
        encoder = MAMP("nw_ucla_pretext")
    untrained = _graph.rebuilt(encoder)

    _say("1 A classifier from scratch, on the few labelled clips")
    untrained_neighbor = _neighbor_accuracy(
        untrained, few_batches, test_batches
    )
    scratch = train_classifier(untrained, few, plain, sizes, seed, decay=1.0)
    from_scratch = evaluation.evaluate_model(scratch, test_batches).value

    keras.utils.set_random_seed(seed)
    if path is None:
        _say("2 Pre-training on all training clips, without labels")
        loss = pretrain(encoder, train, plain, sizes, seed)
    else:
        _say("2 The packaged encoder, pre-trained without labels")
        loss = [None]
    neighbor = _neighbor_accuracy(encoder, few_batches, test_batches)

    _say("3 The pre-trained classifier, on the same few labelled clips")
    keras.utils.set_random_seed(seed)
    model = train_classifier(encoder, few, plain, sizes, seed, decay=0.9)
    pretrained = evaluation.evaluate_model(model, test_batches)

    _say("4 Pictures of what the classifier looks at")
    files = draw(model, test, test_batches, output)

    results = {
        "data": name,
        "protocol": protocol,
        "seed": seed,
        "backend": keras.backend.backend(),
        "num_train_clips": len(train),
        "num_labelled_clips": len(few),
        "num_test_clips": len(test),
        "accuracy_from_scratch": from_scratch,
        "accuracy_pretrained": pretrained.value,
        "nearest_neighbor_accuracy_untrained_encoder": untrained_neighbor,
        "nearest_neighbor_accuracy_pretrained_encoder": neighbor,
        "pretraining_loss_first_epoch": loss[0],
        "pretraining_loss_last_epoch": loss[-1],
        "mean_class_accuracy_pretrained": pretrained.scores["mean_class"].value,
        "sizes": dataclasses.asdict(sizes),
        "seconds": round(time.perf_counter() - start, 1),
    }
    copies = test.duplicates(train)
    if len(copies):
        # The usual test set of NW-UCLA holds copies of training clips.
        rest = np.setdiff1d(np.arange(len(test)), copies)
        batches = test.select(rest).to_keras(plain, batch_size=64)
        results["num_test_clips_without_copies"] = len(rest)
        for key, each in (("from_scratch", scratch), ("pretrained", model)):
            result = evaluation.evaluate_model(each, batches)
            results[f"accuracy_{key}_without_copies"] = result.value
    files.append(_write_json(output / "results.json", results))
    _report(results, files)
    return results


def choose_per_class(sequences, count, seed):
    """`count` clips of each class, drawn at random."""
    generator = np.random.default_rng(seed)
    chosen = [
        generator.permutation(np.flatnonzero(sequences.labels == label))[:count]
        for label in np.unique(sequences.labels)
    ]
    return sequences.select(np.concatenate(chosen))


def pretrain(encoder, train, plain, sizes, seed):
    """Trains the encoder without labels; the loss of each epoch."""
    recipe = Recipe.of(
        "mamp",
        "pretrain",
        learning_rate=2e-3,
        minimum=1e-3,
        epochs=sizes.pretraining_epochs,
        batch_size=sizes.batch_size,
    )
    pretext = MAMPPretext(
        encoder,
        decoder_dim=sizes.hidden_dim,
        decoder_layers=sizes.decoder_layers,
    )
    batches = recipe.batches(train, plain, seed, labels=False)
    recipe.compile(pretext, batches)
    history = pretext.fit(
        batches, epochs=recipe.epochs, shuffle=False, verbose=1
    )
    return history.history["loss"]


def train_classifier(encoder, few, plain, sizes, seed, decay):
    """Puts a head on the encoder and trains both on labelled clips."""
    model = MAMP(encoder=encoder, classes=len(few.class_names))
    recipe = Recipe.of(
        "mamp",
        "finetune",
        learning_rate=sizes.learning_rate,
        minimum=sizes.learning_rate / 30,
        layer_decay=decay,
        epochs=sizes.finetuning_epochs,
        batch_size=sizes.labelled_batch_size,
    )
    batches = recipe.batches(few, plain, seed)
    recipe.compile(model, batches)
    # One bar for the whole training: its epochs take a moment each.
    bar = EpochBar(recipe.epochs)
    model.fit(
        batches,
        epochs=recipe.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[bar],
    )
    return model


def draw(model, test, batches, output):
    """Pictures of the first test clip that is classified right."""
    names = test.class_names
    clips, labels = batches[0]
    predicted = model.predict_on_batch(clips).argmax(axis=1)
    row = int(np.argmax(predicted == labels))
    clips, title = clips[row : row + 1], f"{names[labels[row]]}"
    if predicted[row] != labels[row]:
        title += f" (taken for {names[predicted[row]]})"
    parts = np.maximum(explain.integrated_gradients(model, clips), 0)
    shares = explain.to_shares(parts)[0]
    strip = drawing.draw_strip(clips[0], test.skeleton, shares, title=title)
    heat_map = drawing.draw_heat_map(shares, test.skeleton)
    return [
        _save_stacked([strip, heat_map], output / "importance.png"),
        drawing.animate(
            clips[0],
            test.skeleton,
            shares,
            output / "motion.gif",
            title=title,
        ),
        explain.explain(
            model,
            clips[0],
            names,
            output / "motion.html",
            label=int(labels[row]),
            frame_rate=15,
        ),
    ]


def _encoder(data, sizes):
    persons, joints, coordinates = data.frame_shape
    return MAMP(
        input_shape=(persons, sizes.num_frames, joints, coordinates),
        skeleton=data.skeleton,
        hidden_dim=sizes.hidden_dim,
        num_layers=sizes.num_layers,
        num_heads=sizes.num_heads,
        head_dim=sizes.head_dim,
    )


def _neighbor_accuracy(encoder, few, test):
    """Accuracy of the nearest labelled clip, with nothing trained."""
    return evaluation.knn_accuracy(
        *evaluation.extract_features(encoder, few),
        *evaluation.extract_features(encoder, test),
    )


def _save_stacked(figures, path):
    """Saves figures one above the other as one picture."""
    from PIL import Image

    pictures = []
    for figure in figures:
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        pictures.append(Image.fromarray(pixels))
    width = max(picture.width for picture in pictures)
    height = sum(picture.height for picture in pictures)
    page = Image.new("RGB", (width, height), "white")
    top = 0
    for picture in pictures:
        page.paste(picture, ((width - picture.width) // 2, top))
        top += picture.height
    with _outputs.replacing(path) as part:
        page.save(part, format="png")
    return path


def _write_json(path, results):
    _outputs.write_text(path, json.dumps(results, indent=2) + "\n")
    return path


def _say(title):
    print(f"\n{title}", flush=True)


def _report(results, files):
    print(
        f"\nTest accuracy with {results['num_labelled_clips']} labelled clips:"
        f"\n  from scratch  {results['accuracy_from_scratch']:5.1f} %"
        f"\n  pre-trained   {results['accuracy_pretrained']:5.1f} %"
    )
    if "num_test_clips_without_copies" in results:
        print(
            "Without the test clips that are copies of training clips:"
            f"\n  from scratch  "
            f"{results['accuracy_from_scratch_without_copies']:5.1f} %"
            f"\n  pre-trained   "
            f"{results['accuracy_pretrained_without_copies']:5.1f} %"
        )
    print(f"\nDone in {results['seconds']:.0f} s. Results:")
    for file in files:
        print(f"  {file}")
