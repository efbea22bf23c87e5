"""What the three training steps share about a batch."""

import keras


def inputs_of(data):
    """The inputs of a batch; labels, if any, are left aside."""
    return keras.utils.unpack_x_y_sample_weight(data)[0]
