import json
import re

import numpy as np
import pytest
from pages import Reader
from pages import read_page

from keras_skeleton import drawing
from keras_skeleton import skeletons

pytestmark = pytest.mark.once

ATTACK = "</script><script>alert(1)</script> & <b>\u2028"


@pytest.mark.parametrize("skeleton", ["kinect20", "ntu"])
def test_page_holds_the_clip(make_clips, tmp_path, skeleton):
    clip = make_clips(skeleton, 1)[0]
    clip[1, 4:] = 0
    maps = {
        "Attention": np.abs(clip[..., 0]),
        "Saliency": np.abs(clip[..., 1]) ** 2,
    }
    path = drawing.write_page(
        tmp_path / "clip.html",
        clip,
        skeleton,
        maps,
        title="Throw",
        prediction="Predicted: throw",
        probabilities=[0.2, 0.7, 0.1],
        class_names=["walk", "throw", "sit"],
        frame_rate=12,
    )
    page, data = read_page(path)
    assert page.texts["title"].strip() == "Throw"
    assert page.texts["prediction"] == "Predicted: throw"
    assert data["shape"] == list(clip.shape[:3])
    points = np.reshape(data["points"], clip.shape)
    np.testing.assert_allclose(points, clip, atol=1e-3)
    assert np.reshape(data["present"], (2, 8))[1].tolist() == [1] * 4 + [0] * 4
    layout = skeletons.get(skeleton)
    assert len(data["joints"]) == layout.num_joints
    assert [tuple(edge) for edge in data["edges"]] == list(layout.edges)
    assert data["frameRate"] == 12
    assert [one["name"] for one in data["maps"]] == ["Attention", "Saliency"]
    for one, values in zip(data["maps"], maps.values(), strict=True):
        shares = values / values.sum()
        np.testing.assert_allclose(
            np.reshape(one["values"], shares.shape), shares, rtol=1e-3
        )
    assert data["classes"][0] == {"name": "throw", "probability": 0.7}
    assert [item["name"] for item in data["classes"]] == [
        "throw",
        "walk",
        "sit",
    ]


def test_page_is_self_contained(make_clips, tmp_path):
    clip = make_clips("kinect20", 1)[0]
    path = drawing.write_page(tmp_path / "clip.html", clip, "kinect20")
    text = path.read_text(encoding="utf-8")
    page = Reader(text)
    for tag, attributes in page.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base")
        assert not {"src", "href", "srcset", "data"} & set(attributes), tag
    assert not re.search(r"https?://|//cdn|@import|url\(|@@", text)
    for call in ("fetch(", "XMLHttpRequest", "import(", "WebSocket", "eval("):
        assert call not in text
    assert json.loads(page.texts["data"])["maps"] == []


def test_text_cannot_break_out(make_clips, tmp_path):
    clip = make_clips("kinect20", 1)[0]
    path = drawing.write_page(
        tmp_path / "clip.html",
        clip,
        "kinect20",
        {ATTACK: np.ones(clip.shape[:3])},
        title=ATTACK + "@@DATA@@",
        prediction=ATTACK,
        probabilities=[1.0],
        class_names=[ATTACK],
    )
    page, data = read_page(path)
    scripts = [tag for tag, _ in page.elements if tag == "script"]
    assert len(scripts) == 2
    assert "b" not in [tag for tag, _ in page.elements]
    # The parser has undone the escapes: the words arrive as they were given.
    assert page.texts["prediction"] == ATTACK
    assert ATTACK + "@@DATA@@" in page.texts["title"]
    assert data["maps"][0]["name"] == ATTACK
    assert data["classes"][0]["name"] == ATTACK


def test_equal_and_empty_maps_are_drawable(make_clips, tmp_path):
    clip = make_clips("kinect20", 1)[0]
    maps = {"equal": np.ones(clip.shape[:3]), "none": 0 * clip[..., 0]}
    path = drawing.write_page(tmp_path / "a.html", clip, "kinect20", maps)
    for one in read_page(path)[1]["maps"]:
        assert one["top"] > one["bottom"] >= 0
    empty = drawing.write_page(tmp_path / "b.html", 0 * clip, "kinect20", maps)
    assert not any(read_page(empty)[1]["present"])


def test_flat_clips_in_pixels(make_clips, tmp_path):
    clip = make_clips("kinect20", 1)[0][..., :2] * 200 + 500
    path = drawing.write_page(tmp_path / "a.html", clip, "kinect20", up="-y")
    data = read_page(path)[1]
    assert data["depth"] is False
    points = np.reshape(data["points"], (*clip.shape[:3], 3))
    np.testing.assert_allclose(points[..., :2], -clip, atol=0.1)


def test_a_failed_write_leaves_the_old_page(make_clips, tmp_path):
    clip = make_clips("kinect20", 1)[0]
    path = tmp_path / "clip.html"
    drawing.write_page(path, clip, "kinect20")
    before = path.read_bytes()
    bad = np.ones(clip.shape[:3])
    bad[0, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"1 NaN .*\(0, 2, 3\)"):
        drawing.write_page(path, clip, "kinect20", bad)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["clip.html"]
    with pytest.raises(FileNotFoundError):
        drawing.write_page(tmp_path / "none" / "a.html", clip, "kinect20")


def test_bad_input(make_clips, tmp_path):
    clip = make_clips("kinect20", 1)[0]
    path = tmp_path / "clip.html"

    def write(message, clip=clip, importance=None, **options):
        with pytest.raises(ValueError, match=message):
            drawing.write_page(path, clip, "kinect20", importance, **options)

    write("must be finite", clip=np.where(clip > 1, np.inf, clip))
    write("20", clip=clip[:, :, :12])
    write("at least one frame", clip=clip[:, :0])
    write("one value for each", importance=np.ones((2, 2, 20)))
    write("importance\\['a'\\]", importance={"a": -np.ones(clip.shape[:3])})
    write("2 names", probabilities=[0.5, 0.5], class_names=["one"])
    write("finite", probabilities=[0.5, np.nan])
    write("frame_rate", frame_rate=0)
    write("frame_rate", frame_rate=float("nan"))
    write("`up`", up="x")
    assert not path.exists()
