"""HEIC and AVIF, as phones write them, are decoded in limited children and nowhere else."""

import base64
from pathlib import Path

import pytest

from app.core.database import read, write
from app.core.storage import get_storage
from app.imaging.errors import Reason, Undecodable
from app.imaging.limits import Limits
from app.imaging.pool import DecodePool
from app.imaging.processing import Processed, process
from tests.factories.library import do_import, image_named, write_files
from tests.factories.projects import make_project

# 64 x 48 pixels, taken by an "Acme" held upright: EXIF orientation 6.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAA"
    "AAAERAAAIAAQAAAAAB7AABAAAAAAAAAEQAAgAAAAACMAABAAAAAAAAADYAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVp"
    "bmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGE"
    "ABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkA"
    "AAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEH"
    "BpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAIJtZGF0AAAA"
    "QCgBrxmA709FPiD8OJ5zxat77KrWcMvzb26vb96LBVK/d6qYCLnfNZci+mLLdAEdINAKI7sKVfrtrnFW1bU7Q2AAAAAGRXhpZgAATU0AKgAAAA"
    "gAAgEPAAIAAAAFAAAAJgESAAMAAAABAAYAAAAAAABBY21lAAA="
)
AVIF = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAAE2bWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcG"
    "l0bQAAAAAAAQAAACxpbG9jAAAAAEQAAAIAAQAAAAEAAAGIAAAAUwACAAAAAQAAAV4AAAAqAAAAQWlpbmYAAAAAAAIAAAAaaW5mZQIAAAAAAQAA"
    "YXYwMUNvbG9yAAAAABlpbmZlAgAAAAACAABFeGlmRXhpZgAAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAHRpcHJwAAAAVGlwY28AAAAUaX"
    "NwZQAAAAAAAABAAAAAMAAAABBwaXhpAAAAAAMICAgAAAAMYXYxQ4EADAAAAAATY29scm5jbHgAAQANAAaAAAAACWlyb3QDAAAAGGlwbWEAAAAA"
    "AAAAAQABBQECgwSFAAAAhW1kYXQAAAAGRXhpZgAATU0AKgAAAAgAAQEPAAIAAAAFAAAAGgAAAABBY21lAAASAAoJGBV/vaICGg0IMkQcR4eF3d"
    "NNNMLFQQDPyMgiFoKGGv9oCIUQNwHA/WKP6oEaYRjV1N/AcA68Skj1CArh5KPwGaM4GuJZcKA/Fbn3IqPc1A=="
)


@pytest.mark.parametrize(("image_bytes", "name"), [(HEIC, "heif"), (AVIF, "avif")])
def test_a_child_reads_them_upright(image_bytes: bytes, name: str):
    with DecodePool(1, limits=Limits(max_pixels=10_000)) as pool:
        outcome = pool.process_one(image_bytes)
        assert isinstance(outcome, Processed)
        assert (outcome.format, outcome.width, outcome.height, outcome.camera) == (name, 48, 64, "Acme")
        for keep in (40, len(image_bytes) // 2, len(image_bytes) - 20):
            refused = pool.process_one(image_bytes[:keep])
            assert isinstance(refused, Undecodable), keep
    with pytest.raises(Undecodable) as caught:
        process(image_bytes, limits=Limits(max_pixels=1000, film_codecs=True))
    assert caught.value.reason_code == Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("image_bytes", [HEIC, AVIF])
def test_elsewhere_they_are_refused_with_the_reason(image_bytes: bytes):
    with pytest.raises(Undecodable, match="HEIC, AVIF or video") as caught:
        process(image_bytes)
    assert caught.value.reason_code == Reason.UNSUPPORTED_FORMAT


def test_they_are_imported_and_leave_under_their_own_names(installation: Path, tmp_path: Path):  # noqa: ARG001 - must exist first
    with write() as session:
        project_id = make_project(session, "Phones").id
    folder = write_files(tmp_path / "in", {"a.heic": HEIC, "b.avif": AVIF, "c.heic": HEIC[:300]})
    result = do_import(project_id, folder, format="unlabelled").result or {}
    assert (result["added"], result["quarantined"]) == (2, 1)
    with read() as session:
        image = image_named(session, project_id, "a.heic")
        assert (image.state, image.format) == ("pool", "heif")
    assert get_storage().get_blob(image.sha256) == HEIC
