"""TFRecord files that were written without TensorFlow, read by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Picture

from app.exchange.formats.rows import ExportRow
from app.exchange.formats.tfrecord import TfRecordWriter


def test_tensorflow_reads_what_we_write(tmp_path: Path):
    import tensorflow as tf

    picture = tmp_path / "a.jpg"
    Picture.fromarray(np.full((24, 32, 3), 90, np.uint8)).save(picture)
    classes = ("Löwe", "Fig", "")
    made = [
        ExportRow(7 + at, "", "a.jpg", "0" * 64, "labelled", name, split="train", rotation=270, why="real")
        for at, name in enumerate(classes)
    ]
    writer = TfRecordWriter()
    shard = tmp_path / "shard.tfrecord"
    shard.write_bytes(b"".join(writer.record(row, picture.read_bytes(), lambda: iter(made)) for row in made))
    text, number = tf.io.FixedLenFeature([], tf.string), tf.io.FixedLenFeature([], tf.int64)
    wanted = {
        **{f"image/{name}": text for name in ("encoded", "class/text", "split", "filename", "key/sha256", "why")},
        **{f"image/{name}": number for name in ("id", "class/label", "rotation")},
    }
    found = [tf.io.parse_single_example(each, wanted) for each in tf.data.TFRecordDataset([str(shard)])]
    assert [int(each["image/id"]) for each in found] == [7, 8, 9]
    assert [int(each["image/class/label"]) for each in found] == [1, 0, -1]
    assert [each["image/class/text"].numpy().decode() for each in found] == list(classes)
    assert {int(each["image/rotation"]) for each in found} == {270}
    assert tf.io.decode_jpeg(found[0]["image/encoded"]).shape == (24, 32, 3)
