"""FineTec: restores lost frames, estimates accelerations, and classifies."""

import keras
import numpy as np
from keras import ops

from keras_skeleton import _graph
from keras_skeleton._types import PathLike
from keras_skeleton.applications import _completion
from keras_skeleton.applications import _physics
from keras_skeleton.applications._application import check_choice
from keras_skeleton.applications._application import constructor
from keras_skeleton.applications._completion_training import CompletionTraining
from keras_skeleton.applications._conventions import conventions
from keras_skeleton.applications._decomposition import regions_of
from keras_skeleton.applications._dynamics import MotionFusion
from keras_skeleton.applications._frozen import EncoderTraining
from keras_skeleton.applications._input_check import InputCheck
from keras_skeleton.applications.stgcnpp import BLOCKS
from keras_skeleton.applications.stgcnpp import STGCNPlusPlus
from keras_skeleton.layers.augmentation.corruption import STRATEGIES
from keras_skeleton.skeletons.skeleton import SkeletonLike


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FineTec(STGCNPlusPlus):
    """Recognition of clips with lost frames: encoder, or classifier.

    1. Context-aware completion (layer `completion`): a network that mixes
       joints and frames restores lost frames, beside an example of how
       frames are restored. It is trained first, by `FineTecPretext`, and
       frozen then.
    2. Spatial decomposition (layer `motion_fusion`, in training): of the
       restored clip two perturbed copies are made, one of the regions of the
       body that move most, one of those that rest.
    3. Physics-driven accelerations (same layer): for each of the three
       sequences, second differences are fused with what a learned equation
       of motion estimates; cross attention fuses the three. The squared
       distance of fused accelerations to second differences is added to the
       loss that `compile` is given, times `acceleration_weight`.
    4. Recognition: `STGCNPlusPlus` with twice the channels, places and
       accelerations.

    The encoder ends in the feature map `(N, M, T', V, D)` of the layer
    `features`, or after `pooling` in `(N, D)`; the classifier in the layer
    `predictions`. Every person of a clip is restored alone; who is seen
    nowhere stays absent.

    **This is a reconstruction.** No code and no weights are public. From the
    paper are: the order and the shapes of the completion's blocks (Linear,
    ReLU, pooling along joints or frames), examples beside the clip, the five
    strategies that hide frames and the loss; five regions, of which two are
    dynamic, and the kinds of their perturbation; the equation of motion, its
    terms and what each sees, the symmetric matrix; second differences; that
    cross attention fuses; the two stages and the losses. A choice are: all
    widths, the sums around the blocks, where example and clip are joined,
    that observed frames stay, the standing pose as the start of lost frames,
    strengths of the perturbation, how accelerations are paired, the weight of
    their loss, and the network that recognises. The published Human3.6M
    examples cannot be had freely: `fill_bank` takes training clips.

    Architecture arguments that are left out are taken from `weights` or from
    `encoder`, and else have the values below.

    Args:
        weights: `None` (random), a path, or an `hf://` or `https://` address.
        input_shape: `(M, T, V, C)`: persons, frames, joints, coordinates,
            3 frames or more. Defaults to `(1, 48, 17, 2)`.
        skeleton: A `Skeleton` or its registered name. Its `parts` are the
            regions. Defaults to `"coco17"`.
        classes: `None` for the encoder, a number for the classifier.
        pooling: `None`, or how the encoder's output is pooled over persons,
            time and joints: `"avg"`, `"max"` or `"published"`, the system's
            own rule, which is the average.
        encoder: A built FineTec encoder to put a head on, such as that of a
            `FineTecPretext`. Layers and variables are shared; its completion
            is frozen with it.
        classifier_activation: Activation of `predictions`. Defaults to none:
            the outputs are logits.
        head: `"published"` (default): mean over persons, time and joints,
            dense layer. Or `"linear"`, which normalizes between the two.
        validity: Which frames are lost. `"frames"` (default): those in which
            all coordinates of all persons are zero; for clips that were
            brought to `T` frames and then lost some. `"length"`: those of
            them before the last frame with anybody; what follows is padding
            and stays zero. `"given"`: a second input says it. The inputs are
            then `{"skeletons": clips, "valid": (N, T)}`, 0 where a frame is
            lost.
        completion: Network of the completion: `"drawn"` (default), as the
            paper's figure shows it, or `"sic"`, after Skeleton-in-Context,
            with channels for each joint, normalization and GELU.
        start: What the completion adds to in lost frames: `"prior"`
            (default), the mean pose of the bank, or `"interpolation"`, not
            in the paper: straight lines between the frames beside the gap.
        bank_size: Examples in the bank, `(T, V, C)` each. Defaults to 32.
        completion_dim: Channels of the completion `"sic"`. Defaults to 128.
        freeze_completion: Whether the completion is frozen. Defaults to
            `True`.
        dynamic_regions: Regions of the body that count as dynamic. Defaults
            to 2.
        mass: `"coordinates"` (default): matrices of the equation of motion
            between all coordinates of all joints. Or `"joints"`: between
            joints, for each coordinate alike, which is cheaper.
        fusion_dim: Token width of the cross attention. Defaults to 64.
        fusion_heads: Its heads. Defaults to 4.
        acceleration_weight: Factor of the loss of accelerations. Defaults to
            0.1.
        hidden_dim: Channels of the first blocks of the graph network.
            Defaults to 64.
        blocks: For each of its blocks the width, in multiples of
            `hidden_dim`, and the stride over time. Defaults to `BLOCKS`, the
            ten of ST-GCN++.
        bones: As in `STGCNPlusPlus`: `"published"` (default) or `"skeleton"`.
        dropout_rate: Dropout at the end of each block but the first. Defaults
            to 0.
        name: Name of the model.
        dtype: Data type policy of the layers.

    Input shape: `(N, M, T, V, C)`. Normalized image coordinates or metres:
    second differences of pixels would outweigh all else. Scores do not
    belong in.

    Raises:
        ValueError: If arguments contradict each other, the skeleton or the
            weights; the message says how to mend it.

    Example:

    >>> pretext = FineTecPretext(input_shape=(1, 48, 17, 2))
    >>> pretext.compile(keras.optimizers.Adam(1e-5))
    >>> history = pretext.fit(whole_clips)
    >>> model = FineTec(encoder=pretext.encoder, classes=99)
    >>> model.compile("sgd", SmoothedCrossentropy())
    >>> history = model.fit(lossy_clips, labels)
    >>> restored, mask = model.restore(lossy_clips)

    Reference: Shao, Shi and Liu, FineTec: Fine-Grained Action Recognition
    Under Temporal Corruption via Skeleton Decomposition and Sequence
    Completion, AAAI 2026, arXiv 2512.25067. Completion after Skeleton-in-
    Context, arXiv 2312.03703; graph network of PYSKL, arXiv 2205.09443.
    """

    system = "finetec"
    changeable = ("head", "dropout_rate", "freeze_completion")
    search_space = {
        "completion": ["drawn", "sic"],
        "start": ["prior", "interpolation"],
        "mass": ["coordinates", "joints"],
        "acceleration_weight": (0.01, 1.0, "log"),
        "hidden_dim": [32, 48, 64, 96],
        "dropout_rate": (0.0, 0.5),
    }
    # The rate (0.05 to 0.2, by data), the passes and Nesterov are published,
    # the rest is a choice.
    recipes = {
        "finetune": {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "minimum": 0.0,
            "warmup_epochs": 0,
            "epochs": 150,
            "batch_size": 64,
            "weight_decay": 5e-4,
            "nesterov": True,
            "label_smoothing": 0.0,
        }
    }
    tiny = {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "kinect20",
        "bank_size": 2,
        "completion_dim": 8,
        "mass": "joints",
        "fusion_dim": 8,
        "fusion_heads": 2,
        "hidden_dim": 8,
        "blocks": ((1, 1), (2, 2)),
    }

    @constructor
    def __init__(
        self,
        weights: PathLike | None = None,
        *,
        input_shape=(1, 48, 17, 2),
        skeleton: SkeletonLike = "coco17",
        classes=None,
        pooling=None,
        encoder=None,
        classifier_activation=None,
        head="published",
        validity="frames",
        completion="drawn",
        start="prior",
        bank_size=32,
        completion_dim=128,
        freeze_completion=True,
        dynamic_regions=2,
        mass="coordinates",
        fusion_dim=64,
        fusion_heads=4,
        acceleration_weight=0.1,
        hidden_dim=64,
        blocks=BLOCKS,
        bones="published",
        dropout_rate=0.0,
        name="finetec",
        dtype=None,
    ):
        """See the class."""

    @classmethod
    def check(cls, settings):
        super().check(settings)
        for name, choices in (
            ("validity", _completion.VALIDITY),
            ("completion", _completion.NETWORKS),
            ("start", _completion.STARTS),
            ("mass", _physics.MASSES),
        ):
            check_choice(name, settings[name], choices)
        frames = settings["input_shape"][1]
        if frames < 3:
            raise ValueError(
                "Accelerations need 3 frames or more. Received input_shape="
                f"{settings['input_shape']}, which has {frames}."
            )
        for name in ("bank_size", "dynamic_regions", "fusion_heads"):
            if settings[name] < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. Received "
                    f"{name}={settings[name]}."
                )
        if settings["fusion_dim"] % settings["fusion_heads"]:
            raise ValueError(
                "`fusion_dim` must be a multiple of `fusion_heads`. Received "
                f"fusion_dim={settings['fusion_dim']} and fusion_heads="
                f"{settings['fusion_heads']}."
            )

    @staticmethod
    def make_inputs(settings):
        shape = settings["input_shape"]
        clips = keras.Input(shape, name="skeletons")
        if settings["validity"] != "given":
            return clips
        valid = keras.Input(shape[1:2], name="valid")
        return {"skeletons": clips, "valid": valid}

    @classmethod
    def encoder_graph(cls, inputs, settings, skeleton, dtype):
        clips, valid = inputs, ()
        if settings["validity"] == "given":
            clips, *valid = inputs["skeletons"], inputs["valid"]
        lost = _completion.LostFrames(
            settings["validity"], name="lost_frames", dtype=dtype
        )(clips, *valid)
        completion = _completion.Completion(
            settings["completion"],
            settings["start"],
            settings["bank_size"],
            settings["completion_dim"],
            name="completion",
            dtype=dtype,
        )
        restored = completion(clips, lost)
        if settings["freeze_completion"]:
            completion.trainable = False
        motion = MotionFusion(
            regions_of(skeleton, settings["dynamic_regions"]),
            settings["dynamic_regions"],
            settings["mass"],
            settings["fusion_dim"],
            settings["fusion_heads"],
            settings["acceleration_weight"],
            name="motion_fusion",
            dtype=dtype,
        )(restored)
        return super().encoder_graph(motion, settings, skeleton, dtype)

    @classmethod
    def reused_features(cls, encoder, settings):
        if settings["freeze_completion"]:
            encoder.get_layer("completion").trainable = False
        return super().reused_features(encoder, settings)

    def features_again(self, **options):
        motion = _graph.layer_output(self, "motion_fusion")
        norm = self.get_layer("input_norm")
        dtype = self.dtype_policy
        return self._features(motion, norm, self.blocks, dtype, **options)

    @property
    def completion(self):
        """The layer that restores lost frames."""
        return self.get_layer("completion")

    def fill_bank(self, clips, seed=0):
        """Fills the bank of examples, and the standing pose, with clips.

        Of the persons who are seen in every frame, `bank_size` are drawn;
        their mean pose over all frames is where lost frames start.

        Args:
            clips: Array `(N, M, T, V, C)` of whole clips, prepared as the
                model takes them. Training clips, not those to be tested.
            seed: Seed of the choice.

        Raises:
            ValueError: If the clips have another shape, or no person is seen
                in every frame.
        """
        clips = np.asarray(ops.convert_to_numpy(clips), dtype="float32")
        shape = self.settings["input_shape"]
        if clips.ndim != 5 or clips.shape[2:] != shape[1:]:
            raise ValueError(
                f"The bank of {self.name!r} takes whole clips of shape (N, M, "
                f"{', '.join(map(str, shape[1:]))}). Received shape "
                f"{clips.shape}."
            )
        persons = clips.reshape(-1, *shape[1:])
        is_whole = (persons != 0).any(axis=(2, 3)).all(axis=1)
        if not is_whole.any():
            raise ValueError(
                "Nobody is seen in every frame of these "
                f"{len(clips)} clips, so that there are no examples. Bring "
                "clips to their frames by `CropResize` or `UniformSample`, "
                "and fill gaps by `FillLostFrames`."
            )
        persons = persons[is_whole]
        pose = persons.mean(axis=(0, 1), dtype="float64")
        self.completion.fill(persons, pose, seed)

    def restore(self, inputs):
        """What the completion makes of lost frames.

        Args:
            inputs: What the model takes: clips `(N, M, T, V, C)`, or the dict
                of both inputs.

        Returns:
            Tuple of the restored clips and the mask `(N, M, T, V)`, 1 where a
            joint was lost. `keras_skeleton.explain.reconstruct` computes them
            in batches.
        """
        clips, valid = inputs, ()
        if isinstance(inputs, dict):
            clips, *valid = inputs["skeletons"], inputs["valid"]
        clips = ops.convert_to_tensor(clips, dtype="float32")
        lost = self.get_layer("lost_frames")(clips, *valid)
        restored = ops.cast(self.completion(clips, lost), "float32")
        is_present = ops.any(restored != 0, axis=(2, 3, 4))[:, :, None, None]
        mask = ops.cast(is_present, "float32")
        mask = mask * ops.cast(lost, "float32")[:, None, :, None]
        return restored, mask * ops.ones_like(clips[..., 0])


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FineTecPretext(EncoderTraining, InputCheck, CompletionTraining):
    """The first stage of FineTec: trains the completion alone.

    In each clip a share of the frames, any of them, is lost; beside it
    stands an example of the bank that lost frames by one of five strategies
    (`layers.augmentation.MaskFrames`). The loss is the mean squared error of
    all frames that the network gives for the clip, plus that for the
    example, over frames in which the person is seen.

    Train it on whole clips by `compile(optimizer)` and `fit(clips)`; there is
    no loss to pass, and nothing but the completion is trained. Published:
    Adam with a learning rate of 1e-5, 40,000 steps. If the bank is still
    empty, `fit` fills it with the first clips (`FineTec.fill_bank`).

    Calling the model returns a dict with the `prediction` and the `target`,
    `(N * M, T, 2 V C)`, the clip's values before the example's, and the
    `mask` `(N * M, T)`, 1 where a frame counts.

    Args:
        encoder: The FineTec encoder whose completion is to be trained; built
            from `encoder_arguments` if left out. Its completion becomes
            trainable.
        ratios: Shares of lost frames, above 0 and below 1, of which one is
            drawn for the clip and one for the example.
        strategies: How frames of the example are chosen, see `MaskFrames`.
        seed: Seed of the draws.
        name: Name of the model.
        dtype: Data type policy of the layers.
        **encoder_arguments: Arguments of `FineTec`, such as `input_shape` and
            `skeleton`.

    Example: see `FineTec`.

    Reference: as for `FineTec`.
    """

    system = "finetec"
    search_space = {"start": ["prior", "interpolation"]}
    # Published are 40,000 steps: about 300 epochs of 16,000 clips. The batch is
    # a choice.
    recipes = {
        "pretrain": {
            "learning_rate": 1e-5,
            "minimum": 1e-5,
            "warmup_epochs": 0,
            "epochs": 300,
            "batch_size": 128,
            "weight_decay": 0.0,
        },
    }
    tiny = FineTec.tiny

    def __init__(
        self,
        encoder=None,
        *,
        ratios=(0.25, 0.5, 0.75),
        strategies=STRATEGIES,
        seed=None,
        name="finetec_pretext",
        dtype=None,
        **encoder_arguments,
    ):
        if encoder is None:
            encoder = FineTec(dtype=dtype, **encoder_arguments)
        elif encoder_arguments:
            raise ValueError(
                "Pass either `encoder` or the arguments to build one, not both."
            )
        super().__init__(
            encoder, ratios, strategies, seed, name=name, dtype=dtype
        )
        self.input_form = encoder.input_form

    def get_config(self):
        return self.arguments_with(
            ratios=self.ratios,
            strategies=self.strategies,
            seed=self.seed,
        )


preprocess_input, decode_predictions = conventions("finetec", num_frames=48)
