"""What the scripts share that train the weights of this package."""

import datetime
import hashlib
import json

import keras
import numpy as np

from keras_skeleton import evaluation
from keras_skeleton import weights
from keras_skeleton.datasets import formats
from keras_skeleton.layers import augmentation
from keras_skeleton.training import ResumeTraining


def train(
    model,
    optimizer,
    batches,
    folder,
    stage,
    epochs,
    callbacks=(),
    **compile_options,
):
    """Trains, or goes on with a training that was stopped."""
    model.compile(optimizer, **compile_options)
    model.fit(
        batches,
        epochs=epochs,
        shuffle=False,
        verbose=2,
        callbacks=[
            ResumeTraining(folder / f"{stage}_state.npz", data=batches),
            *callbacks,
            keras.callbacks.CSVLogger(folder / f"{stage}.csv", append=True),
        ],
    )


def scores(logits, train_split, test_split):
    """Top-1 in percent on all test clips and on those without copies."""
    correct = np.argmax(logits, axis=1) == test_split.labels
    is_copy = np.isin(
        np.arange(len(test_split)), test_split.duplicates(train_split)
    )
    return {
        "top1": 100 * correct.mean(),
        "num_clips": len(correct),
        "top1_without_duplicates": 100 * correct[~is_copy].mean(),
        "num_clips_without_duplicates": int((~is_copy).sum()),
    }


def counts(found, kind):
    """Of the first score of a `Result`, what a card tells."""
    return [
        {
            "measure": "top1",
            "kind": kind,
            "correct": score.correct,
            "of": score.of,
            **({"without_duplicates": True} if without else {}),
        }
        for without, scores in enumerate(
            (found.scores, found.without_duplicates)
        )
        for score in list(scores.values())[:1]
    ]


def table(rows):
    """Markdown table of `scores` by name."""
    first = next(iter(rows.values()))
    lines = [
        f"| stream | top-1 ({first['num_clips']} clips) | without copies "
        f"({first['num_clips_without_duplicates']}) |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['top1']:.2f} | {row['top1_without_duplicates']:.2f} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def package(model, file, chain, data_path, script, options, **card):
    """Writes weights of NW-UCLA for the package, and their card.

    Args:
        model: The trained classifier.
        file: The `.safetensors` file; it begins with the system's name.
        chain: The transforms of test clips.
        data_path: The archive `all_sqe.zip`.
        script: See `write_card`, also for the other arguments.
        options: Parsed arguments of the script.
        card: Further arguments of `write_card`; `stream` goes into the
            recipe, and `kind` is that of the scores.
    """
    kind = card.pop("kind", "supervised")
    recipe = {
        "data_set": "nw_ucla",
        "protocol": "xview",
        "transforms": augmentation.serialize_transforms(chain),
        "stream": card.pop("stream", "joint"),
    }
    weights.save_weights(model, file, dtype="float16", **recipe)
    system = file.name.partition("_")[0]
    found = evaluation.evaluate_weights(system, file, data_path)
    print(found, flush=True)
    write_card(
        file,
        script,
        options,
        scores=counts(found, kind),
        recipe=recipe,
        class_names=formats.class_names("nw_ucla"),
        **card,
    )


def write_card(
    file,
    script,
    options,
    *,
    scores,
    stage,
    recipe,
    class_names,
    has_head=True,
    before=(),
    data="NW-UCLA (training views 1, 2)",
):
    """Writes the card of weights beside their file.

    Args:
        file: The `.safetensors` file.
        script: The script that trained them, with its `options`.
        options: Parsed arguments; names of files are left out.
        scores: List of scores, see `weights.Score`.
        stage: What was done, for the card's source.
        recipe: What the weights are evaluated by, see
            `weights.PretrainedWeights`.
        class_names: Names of the classes of the data.
        has_head: Whether the weights have a classification head.
        before: The steps of the trainings that this one went on from.
        data: The name of the data set, and in brackets the part of it.
    """
    step = {
        "script": script,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "date": datetime.date.today().isoformat(),
        **vars(options),
    }
    for name in ("data_path", "output", "encoder", "fuse", "start", "test"):
        step.pop(name, None)
    card = {
        "files": [
            {
                "name": file.name,
                "obtained": "packaged",
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            }
        ],
        "source": f"keras_skeleton, {stage} on {data}",
        "licence": f"Apache-2.0 for the weights; {data.partition(' (')[0]} "
        "itself is research data without a licence text",
        "recipe": recipe,
        "scores": scores,
        "classes": len(class_names) if has_head else None,
        "class_names": list(class_names),
        "training": [*before, step],
    }
    file.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
