"""Helpers for the tests of MAMP and of the systems that train its encoder."""

from support import chain_skeleton


def encoder_arguments(args, persons):
    """Arguments of the encoder from those of the official class."""
    return {
        "input_shape": (
            persons,
            args["num_frames"],
            args["num_joints"],
            args["dim_in"],
        ),
        "skeleton": chain_skeleton(args["num_joints"]),
        "hidden_dim": args["dim_feat"],
        "num_layers": args["depth"],
        "num_heads": args["num_heads"],
        "mlp_ratio": args["mlp_ratio"],
        "segment_length": args["t_patch_size"],
        "joints_per_patch": args["patch_size"],
        "use_qkv_bias": args["qkv_bias"],
        "dropout_rate": args["drop_rate"],
        "attention_dropout_rate": args["attn_drop_rate"],
        "drop_path_rate": args["drop_path_rate"],
    }
