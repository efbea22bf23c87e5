import io

from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import casia_b

NUMBERS = ",".join(["123.45,67.8,0.9"] * 17)
TABLE = "\n".join(
    [
        "image_name,nose_x",
        *(f"x/001-nm-01-000/{i:06d}.jpg,{NUMBERS}" for i in range(3)),
        *(f"x/002-bg-02-180/{i:06d}.jpg,{NUMBERS}" for i in range(2)),
    ]
).encode()


@fuzzed
@given(mutated([TABLE, TABLE.replace(b"\n", b"\r\n") + b"\r\n"]))
def test_tables(data):
    for places in casia_b.find_sequences(io.BytesIO(data)).values():
        rows = b"".join(data[start:end] for start, end in places)
        assert rows
        try:
            frames = casia_b.parse_rows(rows)
        except ValueError:
            continue
        assert frames.shape[1:] == (17, 3)
