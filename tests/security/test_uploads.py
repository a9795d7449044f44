"""Files of strangers: pages get only what we encoded, originals leave as downloads, their names and data stay text."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path

from PIL import Image as Picture
from sqlalchemy import select, update

from app.core.database import read, write
from app.labelling.models import LabelClass
from app.library.models import Image
from app.projects.models import Project
from tests.factories.library import do_import, write_files
from tests.factories.serving import bearer, in_production
from tests.photos import disguised, encode, photo
from tests.web_client import Browser, SignInAs

MARK = b"<script>alert(1)</script>"
PLACE = "48.8584"


def with_secrets() -> bytes:
    """A photo that says where it was taken and by whom, in EXIF, XMP, a comment and a colour profile's place."""
    exif = Picture.Exif()
    exif[0x010F], exif[0x0110], exif[0x010E], exif[0x013B] = "Maker", "Model", "at home, 5 Garden Lane", "Jane Doe"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (48.0, 51.0, 30.24), "E", (2.0, 17.0, 40.2)
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><place>{PLACE}</place></x:xmpmeta>'.encode()
    picture = Picture.open(io.BytesIO(photo()))
    return encode(picture.convert("RGB"), "JPEG", exif=exif, xmp=xmp, comment=b"Jane Doe", quality=90)


def polyglots() -> dict[str, bytes]:
    """Images that are something else as well."""
    gif = encode(Picture.new("P", (64, 64)), "GIF", comment=MARK)
    png = encode(Picture.new("RGB", (65, 64)), "PNG")
    text = b"tEXtComment\0" + MARK
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return {
        "comment.gif": gif,
        "trailing.jpg": photo(1) + b"<html>" + MARK,
        "chunk.png": png[:-12] + chunk + png[-12:],
        "also.html": photo(2),
        "also.svg": photo(3),
        "archive.jpg": photo(4) + b"PK\3\4" + MARK,
    }


def images(project: Project) -> dict[str, Image]:
    with read() as session:
        found = session.scalars(select(Image).where(Image.project_id == project.id)).all()
        session.expunge_all()
    return {image.file_name: image for image in found}


def test_pages_get_pictures_of_our_own_making(project: Project, sign_in_as: SignInAs, tmp_path: Path):
    do_import(project.id, write_files(tmp_path / "in", polyglots()), format="unlabelled")
    viewer = sign_in_as("viewer")
    found = images(project)
    assert {image.state for image in found.values()} == {"pool"}
    for name, image in found.items():
        for kind in ("thumbnail", "rendition"):
            for turn in ("0", "90"):
                answer = viewer.get(f"/projects/{project.slug}/images/{image.id}/{kind}?r={turn}")
                assert answer.headers["Content-Type"] == "image/jpeg"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"].startswith("private")
                assert answer.content.startswith(b"\xff\xd8")
                assert b"<" + b"script" not in answer.content, name


def test_originals_leave_as_downloads_under_the_type_they_were_decoded_as(
    project: Project, sign_in_as: SignInAs, tmp_path: Path
):
    do_import(project.id, write_files(tmp_path / "in", polyglots() | disguised()), format="unlabelled")
    viewer = sign_in_as("viewer")
    types = {}
    for name, image in images(project).items():
        answer = viewer.get(f"/projects/{project.slug}/images/{image.id}/original")
        assert answer.headers["Content-Disposition"].startswith("attachment; filename")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        types[name] = answer.headers["Content-Type"]
    assert types["also.html"] == types["also.svg"] == "image/jpeg"
    assert {types[name] for name in disguised()} == {"application/octet-stream"}


def test_markup_under_an_images_name_is_quarantined_and_has_no_picture(
    project: Project, sign_in_as: SignInAs, tmp_path: Path
):
    do_import(project.id, write_files(tmp_path / "in", disguised()), format="unlabelled")
    viewer = sign_in_as("viewer")
    for image in images(project).values():
        assert image.state == "quarantined"
        for kind in ("thumbnail", "rendition"):
            assert viewer.get(f"/projects/{project.slug}/images/{image.id}/{kind}").status_code == 404


def test_what_a_camera_wrote_of_place_and_person_is_in_no_picture_and_on_no_page(
    project: Project, sign_in_as: SignInAs, installation: Path, tmp_path: Path
):
    original = with_secrets()
    assert b"Jane Doe" in original
    do_import(project.id, write_files(tmp_path / "in", {"home.jpg": original}), format="unlabelled")
    (image,) = images(project).values()
    viewer = sign_in_as("viewer")
    base = f"/projects/{project.slug}/images/{image.id}"
    for kind in ("thumbnail", "rendition", "rendition?r=90"):
        picture = viewer.get(f"{base}/{kind}").content
        opened = Picture.open(io.BytesIO(picture))
        assert not opened.getexif()
        assert not {"exif", "xmp", "comment", "icc_profile"} & opened.info.keys()
        assert b"Jane" not in picture
        assert PLACE.encode() not in picture
    page = viewer.get(base).text
    assert not re.search("Jane|Garden Lane|48\\.|GPS", page)
    packs = b"".join(path.read_bytes() for path in (installation / "packs").iterdir())
    assert b"Jane" not in packs


NAMES = (
    'a".jpg; filename="evil.html',
    "a\r\nSet-Cookie: a=b\r\n\r\n<script>.jpg",
    "..\\..\\evil.jpg",
    "../../etc/passwd",
    "\u202egpj.exe",
    "%0d%0aSet-Cookie:a=b.jpg",
    "ü漢字😀.jpg",
    "CON",
    ".htaccess",
    "",
    "a" * 5000,
)


def test_a_files_name_cannot_reach_into_the_headers(project: Project, sign_in_as: SignInAs, tmp_path: Path):
    do_import(project.id, write_files(tmp_path / "in", {"a.jpg": photo()}), format="unlabelled")
    (image,) = images(project).values()
    viewer = sign_in_as("viewer")
    for name in NAMES:
        with write() as session:
            session.execute(update(Image).values(file_name=name))
        answer = viewer.get(f"/projects/{project.slug}/images/{image.id}/original")
        disposition = answer.headers["Content-Disposition"]
        assert (answer.status_code, answer.headers.get_list("Set-Cookie")) == (200, [])
        plain = r"""attachment; filename(="[\w. \-()]+"|\*=utf-8''[\w.%\-~!()']+)"""
        assert re.fullmatch(plain, disposition), disposition
        assert disposition.rstrip('"').endswith(".jpg")
        assert not re.search("%2F|%5C|%0D|%0A|%00|%22|%E2%80%AE", disposition, re.IGNORECASE)
        assert len(disposition) < 1200


def test_folders_become_classes_by_name_alone(project: Project, installation: Path, tmp_path: Path):
    names = ("..%2f..", "<script>alert(1)", "=cmd|' -C calc'!A0", "con", "\u202eevil", "{{7*7}}", "~root", "$(id)")
    files = {f"{name}/{number}.jpg": photo(number) for number, name in enumerate(names)}
    before = {path.name for path in installation.parent.iterdir()}
    do_import(project.id, write_files(tmp_path / "in", files))
    with read() as session:
        stored = set(session.scalars(select(LabelClass.name)))
    assert stored == {name.replace("\u202e", " ").strip() for name in names}
    assert {path.name for path in installation.parent.iterdir()} - before == {"in"}
    assert not [path for path in installation.rglob("*") if "script" in path.name or "cmd" in path.name]


def tiled_tiff(side: int) -> bytes:
    """A TIFF of 100 × 100 pixels in tiles of `side`: 151 bytes that want memory for a whole tile."""
    body = zlib.compress(bytes(1000))
    start = 8 + 2 + 12 * 10 + 4
    fields = [(256, 4, 100), (257, 4, 100), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1)]
    fields += [(322, 4, side), (323, 4, side), (324, 4, start), (325, 4, len(body))]
    directory = b"".join(
        struct.pack("<HHI", tag, kind, 1) + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
        for tag, kind, value in fields
    )
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + directory + bytes(4) + body


def bombs() -> dict[str, bytes]:
    """Small files that unfold to much, or take long."""
    progressive = encode(Picture.new("L", (512, 512)), "JPEG", progressive=True)
    last = progressive.rfind(b"\xff\xda")
    scans = progressive[:-2] + progressive[last:-2] * 200 + progressive[-2:]
    wide = bytearray(encode(Picture.new("L", (8, 8)), "GIF"))
    wide[6:10] = struct.pack("<HH", 65535, 65535)
    return {"tile.tif": tiled_tiff(40_000), "scans.jpg": scans, "canvas.gif": bytes(wide)}


def test_bombs_are_refused_by_the_identify_api_too(visitor: Browser, sign_in_as: SignInAs, project: Project):
    in_production(project.id)
    headers = bearer(sign_in_as("viewer").user_id, project.id)
    for name, bomb in bombs().items():
        answer = visitor.post("/api/v1/identify", content=bomb, headers=headers)
        assert answer.status_code in (413, 422), name
        assert answer.json()["error"]["code"] in {"too_many_pixels", "corrupt"}, name
