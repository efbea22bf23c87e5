# %% [markdown]
"""
# A live source, and small devices

A classifier that takes one frame at a time, as they come from a pose
estimator or a depth camera, and says what it sees. Here a recorded clip is
the source, played as fast as it goes. Then the model is exported to ONNX, and
the same loop runs the file without Keras and without a backend.

    python guides/streaming.py [FOLDER] [DATA_PATH]

`DATA_PATH` is the NW-UCLA archive `all_sqe.zip` or its folder, for which the
package has weights. Without it, the clips are generated and a small model is
trained in some minutes; with `KERAS_SKELETON_SHORT=1` it is not, which only
shows that everything runs.
"""

# %%
import importlib.util
import os
import pathlib
import sys
import time

import keras

import keras_skeleton as ks
from keras_skeleton.layers.augmentation import Center
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import MinMaxNormalization
from keras_skeleton.layers.augmentation import RandomFrames

short = os.environ.get("KERAS_SKELETON_SHORT") == "1"
output = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "runs/streaming")
data_path = sys.argv[2] if len(sys.argv) > 2 else None
output.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
"""
## A classifier

The transforms are those that the model is evaluated with.
"""

# %%
center = Center(joint=1)
if data_path is not None:
    data = ks.datasets.nw_ucla.load_data(data_path)
    train, test = data.split("xview")
    model = ks.applications.HyperGCN("nw_ucla", classes=len(data.class_names))
    frames = model.input_shape[2]
    transforms = [center, MinMaxNormalization(), RandomFrames(frames)]
else:
    data = ks.datasets.synthetic.load_data(
        num_clips=32 if short else 600, classes=6, skeleton="kinect20"
    )
    train, test = data.split("xsub")
    frames = 12 if short else 52
    transforms = [
        center,
        CropResize(frames, interval=(0.95,), min_frames=12),
    ]
    model = ks.applications.CTRGCN(
        input_shape=(1, frames, 20, 3),
        skeleton=data.skeleton,
        classes=len(data.class_names),
        hidden_dim=8 if short else 16,
    )
    if not short:
        recipe = ks.training.Recipe.of("ctrgcn", epochs=8, batch_size=16)
        batches = recipe.batches(train, transforms, seed=0)
        recipe.compile(model, batches)
        model.fit(batches, epochs=recipe.epochs, shuffle=False, verbose=2)

# %% [markdown]
"""
## Frame by frame

`update` takes a frame `(persons, joints, coordinates)`, or `(joints,
coordinates)` of a single person, or `None` when nobody is there. The last
`window` frames make a clip; every fifth frame it is classified, and the
probabilities are smoothed. Below the threshold there is no label.

`FrozenModel` compiles the model with the weights that it has now. For clips
that come one by one, it takes less time than the model itself.
"""

# %%
window = 60
settings = {
    "window": window,
    "every": 5,
    "min_frames": 10,
    "smoothing": 0.5,
    "threshold": 0.3,
    "class_names": data.class_names,
}
classifier = ks.serving.StreamingClassifier(
    ks.serving.FrozenModel(model), transforms, **settings
)
clip, label = test[0]
recording = clip.swapaxes(0, 1)  # (frames, persons, joints, coordinates)
print("recorded:", data.class_names[label], "in", len(recording), "frames")


def play(classifier, verbose=True):
    """Plays the recording; returns all probabilities."""
    classifier.reset()
    found = []
    for frame in recording:
        prediction = classifier.update(frame)
        if prediction is None:
            continue
        found.append(prediction.probabilities)
        if verbose:
            name = prediction.name or "(nothing certain)"
            print(
                f"frame {prediction.frame:3d}: {name} "
                f"{100 * prediction.probability:.0f} %"
            )
    return found


def frames_per_second(classifier, repeats=2 if short else 10):
    start = time.perf_counter()
    for _ in range(repeats):
        play(classifier, verbose=False)
    return repeats * len(recording) / (time.perf_counter() - start)


expected = play(classifier)
print(
    f"{frames_per_second(classifier):.0f} frames per second on "
    f"{keras.backend.backend()}"
)

# %% [markdown]
"""
## Export

Plain Keras: `model.export(path, format=...)`. Which backend writes what, with
the packages that `pip install "keras-skeleton[export]"` brings:

| format | TensorFlow | PyTorch | JAX | runs in |
|---|---|---|---|---|
| `"onnx"` | all but HaLP | yes | yes | onnxruntime |
| `"litert"` | yes | with litert-torch | no | ai-edge-litert |
| `"tf_saved_model"` | yes | no | all but Hyper-GCN | TensorFlow |

Weights go from any backend to any other (`save_weights`, `load_weights`, or
`model.save`), so that a model trained on one can be exported on another. The
`input_signature` says how many clips the file takes at a time. A live source
needs one; `None` as the first number takes any, but for LiteRT it must be
fixed.
"""

# %%
CONVERTERS = {"tensorflow": "tf2onnx", "torch": "onnx", "jax": "jax2onnx"}
needed = ["onnxruntime", CONVERTERS[keras.backend.backend()]]
missing = [name for name in needed if not importlib.util.find_spec(name)]
if missing:
    print(f"Not exported: {' and '.join(missing)} not installed.")
    sys.exit()
path = output / "model.onnx"
model.export(
    str(path),
    format="onnx",
    input_signature=[
        keras.InputSpec("float32", (None, *model.input_shape[1:]))
    ],
    verbose=False,
)
print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
"""
The exported file is a function of clips, and the streaming classifier takes
any such function. It needs NumPy only; a device without a backend can apply
the transforms under `KERAS_BACKEND=numpy`, or functions of its own. The file
does not tell the shape of a frame, so `frame_shape` does.
"""

# %%
import onnxruntime  # noqa: E402

session = onnxruntime.InferenceSession(
    str(path), providers=["CPUExecutionProvider"]
)
name = session.get_inputs()[0].name
classifier = ks.serving.StreamingClassifier(
    lambda clips: session.run(None, {name: clips})[0],
    transforms,
    frame_shape=(1, 20, 3),
    **settings,
)
exported = play(classifier, verbose=False)
difference = max(
    abs(one - other).max()
    for one, other in zip(expected, exported, strict=True)
)
print(f"largest difference of a probability: {difference:.1e}")
print(f"{frames_per_second(classifier):.0f} frames per second in onnxruntime")

# %% [markdown]
"""
LiteRT, for phones and boards, runs alike, from a file of
`model.export("model.tflite", format="litert", input_signature=...)`:

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter("model.tflite")
    interpreter.allocate_tensors()
    inputs = interpreter.get_input_details()[0]["index"]
    outputs = interpreter.get_output_details()[0]["index"]

    def classify(clips):
        interpreter.set_tensor(inputs, clips)
        interpreter.invoke()
        return interpreter.get_tensor(outputs)
"""
