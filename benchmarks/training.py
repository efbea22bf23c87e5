"""What the scripts share that train the weights of this package."""

import datetime
import json

import keras
import numpy as np

from keras_skeleton.training import ResumeTraining


def train(model, optimizer, batches, folder, stage, epochs, **compile_options):
    """Trains, or goes on with a training that was stopped."""
    model.compile(optimizer, **compile_options)
    model.fit(
        batches,
        epochs=epochs,
        shuffle=False,
        verbose=2,
        callbacks=[
            ResumeTraining(folder / f"{stage}_state.npz", data=batches),
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


def short_scores(found):
    """Of what `evaluate_weights` found, what a card tells."""
    return {
        key: round(found[key], 2) if "top" in key else found[key]
        for key in (
            "top1",
            "num_clips",
            "top1_without_duplicates",
            "num_clips_without_duplicates",
        )
    }


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


def write_card(
    path, script, options, *, scores, stage, class_names, preprocessing
):
    """The description that the package shows for the weights.

    Args:
        path: File to write.
        script: The script that trained them, with its `options`.
        options: Parsed arguments; names of files are left out.
        scores: Dict of measures.
        stage: What was done, for the card's source.
        class_names: Names of the classes, empty without a head.
        preprocessing: What is done to clips before.
    """
    recipe = {
        "script": script,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "date": datetime.date.today().isoformat(),
        **vars(options),
    }
    for name in ("data_path", "output", "encoder", "fuse"):
        recipe.pop(name, None)
    card = {
        "source": f"keras_skeleton, {stage} on NW-UCLA (training views 1, 2)",
        "licence": "Apache-2.0 for the weights; NW-UCLA itself is research "
        "data without a licence text",
        "scores": scores,
        "classes": len(class_names) or None,
        "class_names": list(class_names),
        "preprocessing": preprocessing,
        "notes": json.dumps(recipe),
    }
    path.write_text(json.dumps(card, indent=2) + "\n")
