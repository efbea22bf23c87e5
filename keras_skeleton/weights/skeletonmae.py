"""SkeletonMAE: its tensors by the names that GraphMAE's code gives them.

The authors published neither code nor weights.
"""

from keras_skeleton.weights import tensor_names as names_of
from keras_skeleton.weights.conversion import ConversionTable
from keras_skeleton.weights.conversion import Entry
from keras_skeleton.weights.conversion import Part
from keras_skeleton.weights.conversion import transpose

PRETRAINED = ()
IGNORED = ("*num_batches_tracked",)


def table(model, names=()):
    """Conversion table of a `SkeletonMAE` or its pretext model."""
    settings = getattr(model, "encoder", model).settings
    entries = [
        *names_of.linear("input_embed", "joint_embedding"),
        *isomorphism_layer("encoder.layers.{i}", "joint_encoder/layer_{i}"),
        Entry("enc_mask_token", "mask_token/token", _one_token),
        Entry(
            "encoder_to_decoder.weight", "encoder_to_decoder/kernel", transpose
        ),
        *isomorphism_mlp("decoder.layers.0.apply_func", "decoder"),
    ]
    parts = {
        "head": Part(
            (),
            (
                "frame_positions/*",
                "representation_*",
                "temporal_pooling_*",
                "head_*",
                "predictions/*",
            ),
        ),
        "decoder": Part(
            ("enc_mask_token", "encoder_to_decoder.*", "decoder.*"),
            ("mask_token/*", "encoder_to_decoder/*", "decoder/*"),
        ),
    }
    return ConversionTable(
        tuple(entries),
        parts,
        IGNORED,
        fixed={"*.eps": settings["center_weight"] - 1},
    )


def isomorphism_layer(official, ours):
    """A `GraphIsomorphismLayer`."""
    return [
        *isomorphism_mlp(f"{official}.apply_func.mlp", ours),
        *names_of.norm(f"{official}.apply_func.norm", f"{ours}/norm"),
        _slope(f"{official}.apply_func.act", f"{ours}/activation"),
        Entry(
            f"{official}.res_fc.weight", f"{ours}/shortcut/kernel", transpose
        ),
    ]


def isomorphism_mlp(official, ours):
    """The layers of one without the second normalization."""
    return [
        *names_of.linear(f"{official}.linears.0", f"{ours}/hidden"),
        *names_of.norm(f"{official}.norms.0", f"{ours}/hidden_norm"),
        _slope(f"{official}.activations.0", f"{ours}/hidden_activation"),
        *names_of.linear(f"{official}.linears.1", f"{ours}/projection"),
    ]


def _slope(official, ours):
    return Entry(f"{official}.weight", f"{ours}/alpha", _one_slope)


def _one_slope(slope):
    """(1,) to (1, 1)."""
    return slope.reshape(1, 1)


def _one_token(token):
    """(1, D) to (1, 1, D)."""
    return token[None]
