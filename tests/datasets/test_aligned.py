import h5py
import keras
import numpy as np
import pytest

from keras_skeleton.datasets import Aligned
from keras_skeleton.datasets import Features
from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import Videos
from keras_skeleton.datasets import aligned
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import SegmentSample
from keras_skeleton.layers.augmentation import UniformSample

LENGTHS = {"a": 12, "b": 20, "c": 9, "d": 16}


def skeletons(names="abcd"):
    """The first coordinate is the number of the frame plus 1."""
    clips = []
    for name in names:
        clip = np.ones((LENGTHS[name], 17, 3))
        clip[..., 0] = np.arange(1, LENGTHS[name] + 1)[:, None]
        clips.append(clip)
    return Sequences.from_arrays(
        clips,
        np.arange(len(names)) % 2,
        names=list(names),
        skeleton="coco17",
        coordinates=("x", "y", "score"),
        splits={"half": {"train": [0, 2], "test": [1, 3]}},
    )


def features(names="dcba", factor=1):
    """Each frame holds its number and that of the clip."""
    return Features(
        {
            name: np.stack(
                [
                    np.arange(factor * LENGTHS[name]),
                    np.full(factor * LENGTHS[name], ord(name)),
                ],
                axis=1,
            ).astype("float32")
            for name in names
        }
    )


@pytest.mark.once
@pytest.mark.parametrize("shuffle", (False, True))
def test_one_draw_for_all(shuffle):
    data = Aligned(skeletons(), features=features(), twice=features(factor=2))
    batches = data.to_keras(
        {"skeletons": [UniformSample(6)], "features": [lambda x: x[..., :1]]},
        batch_size=3,
        every={"twice": 3},
        shuffle=shuffle,
    )
    assert len(batches) == 2
    seen = []
    for inputs, labels in batches:
        frames = inputs["skeletons"][:, 0, :, 0, 0] - 1
        np.testing.assert_array_equal(inputs["features"][..., 0], frames)
        np.testing.assert_array_equal(
            inputs["twice"][..., 0], 2 * frames[:, ::3]
        )
        names = [chr(int(code)) for code in inputs["twice"][:, 0, 1]]
        assert labels.tolist() == ["abcd".index(name) % 2 for name in names]
        seen += names
    assert sorted(seen) == list("abcd")
    batches.set_epoch(0)
    np.testing.assert_array_equal(
        batches[1][0]["twice"][..., 1], [[ord(name)] * 2 for name in seen[3:]]
    )


@pytest.mark.once
def test_missing_clips_are_told():
    with pytest.warns(UserWarning, match="2 of 4 clips.*features lacks 2, su"):
        data = Aligned(skeletons(), features=features("cb"))
    assert data.names == ["b", "c"]
    assert data.missing == {"skeletons": [], "features": ["a", "d"]}
    assert data.labels.tolist() == [1, 0]
    train, test = data.split("half")
    assert train.names == ["c"] and test.names == ["b"]
    assert "with features" in repr(data)
    with pytest.raises(ValueError, match="joined by name.*'a'.*'x'"):
        Aligned(skeletons(), features=Features({"x": np.zeros((3, 2))}))


@pytest.mark.once
def test_errors():
    data = Aligned(skeletons(), features=features())
    with pytest.raises(ValueError, match="no modality 'video'"):
        data.to_keras({"skeletons": [UniformSample(6)], "video": []})
    for first in ([], [CropResize(6)]):
        with pytest.raises(ValueError, match="must choose frames"):
            data.to_keras({"skeletons": first})
    with pytest.raises(ValueError, match="dict by modality"):
        data.to_keras([UniformSample(6)])
    with pytest.raises(ValueError, match="at least 1. Received 0 for 'feat"):
        data.to_keras({"skeletons": [UniformSample(6)]}, every={"features": 0})
    with pytest.raises(ValueError, match="`every` is for the other"):
        data.to_keras({"skeletons": [UniformSample(6)]}, every={"skeletons": 2})
    with pytest.raises(FileNotFoundError, match="no folder 'nowhere'"):
        Videos.from_folder("nowhere")
    with pytest.raises(ValueError, match="joins skeletons with something"):
        Aligned(skeletons())
    with pytest.raises(ValueError, match="'b' has 3 frames of shape .1,."):
        Features({"a": np.zeros((3, 2)), "b": np.zeros((3, 1))})


def test_a_model_of_two_inputs_trains():
    data = Aligned(skeletons(), features=features())
    inputs = {
        "skeletons": keras.Input((1, 6, 17, 3), name="skeletons"),
        "features": keras.Input((6, 2), name="features"),
    }
    x = [keras.layers.Flatten()(tensor) for tensor in inputs.values()]
    x = keras.layers.Dense(2)(keras.layers.Concatenate()(x))
    model = keras.Model(inputs, x)
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    batches = data.to_keras({"skeletons": [UniformSample(6)]}, batch_size=2)
    losses = model.fit(batches, epochs=2, verbose=0).history["loss"]
    assert len(losses) == 2 and np.isfinite(losses).all()


def pictures(number=5, height=24, width=32):
    """A bright square that moves to the right, 3 columns a frame."""
    frames = np.zeros((number, height, width, 3), "uint8")
    for t in range(number):
        frames[t, 8:16, 4 + 3 * t : 10 + 3 * t] = 250
    return frames


@pytest.mark.once
def test_folders_of_pictures(tmp_path):
    image = pytest.importorskip("PIL.Image")
    frames = pictures(11)
    (tmp_path / "walk").mkdir()
    for t, frame in enumerate(frames):
        image.fromarray(frame).save(tmp_path / "walk" / f"frame_{t}.png")
    (tmp_path / "empty").mkdir()
    videos = Videos.from_folder(tmp_path)
    assert videos.names == ["walk"] and videos.frame_shape == (24, 32, 3)
    assert "holds no pictures" in videos.skipped[0][1]
    np.testing.assert_array_equal(videos.clip(0), frames)
    found = videos.take_frames([0], [[10, 2, 2]])
    np.testing.assert_array_equal(found[0], frames[[10, 2, 2]])
    small = Videos.from_folder(tmp_path, size=(12, 16))
    assert small.clip(0).shape == (11, 12, 16, 3)
    depth = (1000 * np.ones((4, 5))).astype("uint16")
    (tmp_path / "depth").mkdir()
    image.fromarray(depth).save(tmp_path / "depth" / "0.png")
    videos = Videos({"depth": tmp_path / "depth"})
    np.testing.assert_array_equal(videos.clip(0)[0], depth)


@pytest.mark.once
def test_video_files(tmp_path):
    av = pytest.importorskip("av")
    frames = pictures(9)
    name = "S001C001P001R001A001_rgb.avi"
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 32, 24
        stream.bit_rate = 4_000_000
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    (tmp_path / "broken.mp4").write_bytes(b"no video at all" * 9)
    videos = Videos.from_folder(tmp_path)
    assert videos.names == ["S001C001P001R001A001"]
    assert videos.lengths.tolist() == [9]
    assert videos.skipped[0][0] == "broken"
    found = videos.take_frames([0], [[8, 3]])[0].astype(int)
    assert np.abs(found - frames[[8, 3]]).mean() < 12
    small = Videos.from_folder(tmp_path, "*.avi", size=(12, 16))
    assert small.take(0, [0]).shape == (1, 12, 16, 3)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match="None of 1 videos"):
        Videos.from_folder(tmp_path)


@pytest.mark.once
def test_features_from_a_folder(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 3)))
    (tmp_path / "b.npy").write_bytes(b"broken")
    found = Features.from_folder(tmp_path)
    assert found.names == ["a"] and found.skipped[0][0] == "b.npy"
    with pytest.raises(ValueError, match="could be read"):
        Features.from_folder(tmp_path, "c*.npy")
    np.save(tmp_path / "d.npy", np.ones((4, 2)))
    np.save(tmp_path / "e.npy", np.ones((9, 3)))
    found = Features.from_folder(tmp_path)
    assert found.names == ["a", "e"] and found.skipped[1][0] == "d"


@pytest.mark.once
def test_features_in_a_file_of_hdf5(tmp_path):
    """Frames may repeat and come in any order, as short clips need."""
    expected = features()
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for i, name in enumerate(expected.names):
            file[name] = expected.clip(i)
        found = Features({name: file[name] for name in expected.names})
        for frames in ([0, 2, 2], [5, 1, 3, 1]):
            np.testing.assert_array_equal(
                found.take(0, frames), expected.take(0, frames)
            )
        data = Aligned(skeletons(), features=found)
        inputs, _ = data.to_keras({"skeletons": [SegmentSample(16)]})[0]
        np.testing.assert_array_equal(
            inputs["features"][..., 0], inputs["skeletons"][:, 0, :, 0, 0] - 1
        )


@pytest.mark.once
def test_clips_of_odd_lengths_are_told():
    def of(**lengths):
        return Features({k: np.zeros((n, 1)) for k, n in lengths.items()})

    cut = of(a=24, b=2, c=18, d=33)
    with pytest.warns(UserWarning, match="video: 1, such as 'b' with 2 frames"):
        data = Aligned(skeletons(), video=cut)
    assert data.uneven == {"skeletons": [], "video": ["b"]}
    two = skeletons().select([0, 1])
    with pytest.warns(UserWarning, match="1 frames to 20"):
        Aligned(two, video=of(a=12, b=1))
    assert not Aligned(two, video=of(a=11, b=22)).uneven["video"]


def moving(number=5):
    """Pictures, and a pose whose joints are in the square's middle."""
    clip = np.zeros((1, 1, number, 17, 3), "float32")
    clip[..., 0] = (6.5 + 3 * np.arange(number))[None, None, :, None]
    clip[..., 1], clip[..., 2] = 11.5, 0.9
    clip[:, :, :, 3] = 0
    return {"skeletons": clip, "video": pictures(number)[None]}


@pytest.mark.once
def test_mirrored_together():
    batch = moving()
    mirror = aligned.MirrorTogether("coco17")
    same = mirror(batch, np.array([[0.9]]))
    np.testing.assert_array_equal(same["video"], batch["video"])
    made = mirror(batch, np.array([[0.1]]))
    for t in range(5):
        column = int(made["skeletons"][0, 0, t, 0, 0])
        assert made["video"][0, t, 11, column].min() == 250
    assert not made["skeletons"][0, 0, :, 4].any()
    assert mirror(batch, None) is batch


@pytest.mark.once
def test_cut_together():
    pytest.importorskip("PIL")
    batch = moving()
    made = aligned.CropTogether((48, 48))(batch, None)
    assert made["video"].shape == (1, 5, 48, 48, 3)
    for t in range(5):
        x, y = made["skeletons"][0, 0, t, 0, :2]
        assert 0 <= x < 48 and 0 <= y < 48
        assert made["video"][0, t, int(y), int(x)].min() > 200
    np.testing.assert_array_equal(made["skeletons"][0, 0, :, 3], 0)
    assert made["skeletons"][0, 0, 0, 0, 2] == np.float32(0.9)
    nobody = {**batch, "skeletons": 0 * batch["skeletons"]}
    whole = aligned.CropTogether((24, 32))(nobody, None)
    np.testing.assert_array_equal(whole["video"], batch["video"])


@pytest.mark.once
def test_pictures_of_several_sizes_and_depth_together():
    """All show the same part; depths are such that were measured."""
    pytest.importorskip("PIL")
    batch = moving()
    video = np.repeat(np.repeat(batch["video"], 4, 2), 4, 3)
    batch = {
        "skeletons": batch["skeletons"] * np.float32([4, 4, 1]),
        "video": video,
        "ir": batch["video"],
        "depth": np.where(video[..., 0] > 200, 2000, 4000).astype("uint16"),
        "metres": np.where(video[..., :1] > 200, 2.0, 4.0).astype("float32"),
        "mask": video[..., :1],
    }
    names = ("video", "ir", "depth", "metres", "mask")
    made = aligned.CropTogether((30, 30), names)(batch, None)
    assert {made[name].shape[2:4] for name in names} == {(30, 30)}
    assert set(np.unique(made["depth"])) == {2000, 4000}
    assert set(np.unique(made["metres"])) == {2.0, 4.0}
    assert made["metres"].shape[-1] == made["mask"].shape[-1] == 1
    is_square = made["depth"] == 2000
    for name in ("video", "ir", "mask"):
        assert np.mean((made[name][..., 0] > 125) != is_square) < 0.05
    exact = aligned.CropTogether((30, 30), names, nearest=["mask"])(batch, None)
    assert set(np.unique(exact["mask"])) == {0, 250}
    mirror = aligned.MirrorTogether("coco17", ("video", "ir"))
    made = mirror(batch, np.array([[0.1]]))
    np.testing.assert_allclose(
        made["skeletons"][0, 0, 0, 0, 0], 127 - 4 * 6.5, rtol=1e-6
    )
    wide = {**batch, "ir": batch["ir"][:, :, :20]}
    with pytest.raises(ValueError, match="'ir' are 20 x 32.*proportions"):
        aligned.CropTogether((30, 30), ("video", "ir"))(wide, None)
    metres = {**batch, "skeletons": batch["skeletons"] / 40}
    with pytest.raises(ValueError, match="in pixels of 'video'.*metres"):
        aligned.CropTogether((30, 30))(metres, None)
