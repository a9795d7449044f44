"""Imports from a list of addresses and from S3-compatible storage, each served by a real process."""

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store
from sqlalchemy import select

from app.core.database import read, write
from app.core.errors import InvalidInput, TooLarge
from app.core.settings import get_settings
from app.core.storage import get_storage
from app.library.addresses import read_list, stage_addresses
from app.library.models import Image, ImageSource
from tests.factories import labelling
from tests.factories.exchange import looked_at
from tests.factories.labelling import Workplace
from tests.factories.library import ask_import, do_import, image_named, write_files
from tests.photos import photos


@pytest.fixture
def place(installation: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:  # noqa: ARG001 - must exist first
    monkeypatch.setenv("WINNOW_DECODE_WORKERS", "1")
    monkeypatch.setenv("WINNOW_EGRESS_ALLOWED_HOSTS", '["127.0.0.1"]')
    get_settings.cache_clear()
    with write() as session:
        return labelling.workplace(session)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with four photos; its address."""
    files = {
        f"{name}/{at}.jpg": each.image_bytes for at, (name, each) in enumerate(zip("aabb", photos(4), strict=True))
    }
    folder = write_files(tmp_path / "site", files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_table_of_addresses_is_fetched_labelled_and_told_where_each_came_from(place: Workplace, site: str):
    rows = [f"{site}/a/0.jpg,Lion,cub,north", f"{site}/a/1.jpg,Lion,,", f"{site}/none.jpg,Lion,,"]
    rows += ["http://169.254.169.254/latest,Lion,,", "file:///etc/passwd,Lion,,", f"{site}/b/2.jpg,Tiger,,south"]
    table = "\n".join(["url,class,sub_class,shop", *rows])
    upload_id = stage_addresses(place.project_id, table.encode())
    preview, found = looked_at(place.project_id, upload_id, kind="urls")
    assert found is not None
    assert (found.format, found.files, found.labelled, found.skipped) == ("csv", 5, 5, 1)
    assert [(one.name, one.files) for one in found.classes] == [("Lion", 4), ("Tiger", 1)]
    run = do_import(place.project_id, upload_id, kind="urls", format="csv")
    result = run.result or {}
    assert (run.state, result["added"], result["labelled"], result["skipped"]) == ("succeeded", 3, 3, 3)
    reasons = {file["name"]: file["reason"] for file in result["skipped_files"]}
    assert "status 404" in reasons["none.jpg"]
    assert "only public hosts" in reasons["latest"]
    assert "begins with http" in reasons["etc/passwd"]
    with read() as session:
        assert image_named(session, place.project_id, "0.jpg").sub_class_id == place.cub
        assert set(session.scalars(select(ImageSource.name))) == {"a/0.jpg", "a/1.jpg", "b/2.jpg"}
    assert not (get_storage().root / "uploads" / upload_id).exists()
    assert preview.state == "open"


def test_plain_addresses_become_files_by_their_paths(place: Workplace, site: str):
    text = f"# seen in spring\n{site}/a/0.jpg\n\n{site}/a/0.jpg?again\n{site}/b/3.jpg\n"
    run = do_import(
        place.project_id, stage_addresses(place.project_id, text.encode()), kind="urls", format="unlabelled"
    )
    assert ((run.result or {})["added"], (run.result or {})["known"]) == (2, 1)
    with read() as session:
        assert set(session.scalars(select(ImageSource.name))) == {"a/0.jpg", "a/0 (2).jpg", "b/3.jpg"}
        assert {image.state for image in session.scalars(select(Image))} == {"pool"}


def test_lists_that_are_empty_too_long_or_no_text_are_refused(place: Workplace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINNOW_MAX_LIST_ADDRESSES", "2")
    get_settings.cache_clear()
    for content, fault in (
        (b"", InvalidInput),
        (b"# nothing\n", InvalidInput),
        (b"\xff\xfe\x00", InvalidInput),
        (b"url,class\n", InvalidInput),
        (b"https://a.org/1\nhttps://a.org/2\nhttps://a.org/3", TooLarge),
    ):
        with pytest.raises(fault):
            stage_addresses(place.project_id, content)
    assert not (get_storage().root / "uploads").exists()
    assert read_list(b"https://a.org/1").rows == [{"url": "https://a.org/1"}]


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    """A running S3 server."""
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        assert server.stderr is not None
        told = next(line for line in server.stderr if "Running on" in line)
        yield told.split("Running on ")[1].strip()
        server.terminate()


@pytest.fixture
def bucket(s3_address: str, place: Workplace, monkeypatch: pytest.MonkeyPatch) -> S3Store:  # noqa: ARG001 - its settings
    """A bucket that the settings know as `herd`, below `photos`."""
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"}
    urllib.request.urlopen(urllib.request.Request(f"{s3_address}/zoo", method="PUT", headers=signed)).close()  # noqa: S310 - our own server
    keys = {"access_key_id": "key", "secret_access_key": "hidden-key"}
    connection = {"bucket": "zoo", "prefix": "photos", "endpoint": s3_address, **keys}
    monkeypatch.setenv("WINNOW_STORAGE_CONNECTIONS", json.dumps({"herd": connection}))
    get_settings.cache_clear()
    return S3Store("zoo", config={"endpoint": s3_address, **keys}, client_options={"allow_http": True})


def test_a_prefix_of_a_bucket_is_imported_and_nothing_beside_it(place: Workplace, bucket: S3Store):
    one, two, three = (each.image_bytes for each in photos(3))
    for key, content in {
        "photos/cats/Lion/1.jpg": one,
        "photos/cats/Tiger/2.jpg": two,
        "photos/dogs/Fox/3.jpg": three,
        "photos/cats/Lion/.DS_Store": b"x",
        "secrets/4.jpg": b"x",
    }.items():
        obstore.put(bucket, key, content)
    _, found = looked_at(place.project_id, "herd/cats", kind="s3")
    assert found is not None
    assert (found.format, found.files, found.byte_count) == ("folders", 2, len(one) + len(two))
    run = do_import(place.project_id, "herd/cats", kind="s3")
    assert (run.state, (run.result or {})["added"], (run.result or {})["labelled"]) == ("succeeded", 2, 2)
    with read() as session:
        assert image_named(session, place.project_id, "1.jpg").class_id == place.lion
    for path in ("other/cats", "herd/../secrets", "herd/a/../../secrets", "herd//etc/../x"):
        with pytest.raises(InvalidInput):
            ask_import(place.project_id, path, kind="s3")


def test_an_endpoint_in_a_private_network_is_refused_unless_it_is_named(
    place: Workplace, bucket: S3Store, monkeypatch: pytest.MonkeyPatch
):
    obstore.put(bucket, "photos/Lion/1.jpg", photos(1)[0].image_bytes)
    monkeypatch.setenv("WINNOW_EGRESS_ALLOWED_HOSTS", "[]")
    get_settings.cache_clear()
    run = do_import(place.project_id, "herd/", kind="s3")
    assert (run.state, run.error_code) == ("failed", "forbidden")
    assert "only public hosts" in (run.error_message or "")
    assert "hidden-key" not in repr(get_settings())


def test_storage_that_is_silent_fails_the_run_in_words(
    place: Workplace, bucket: S3Store, monkeypatch: pytest.MonkeyPatch
):
    del bucket
    connection = {"bucket": "zoo", "endpoint": "http://127.0.0.1:9"}
    monkeypatch.setenv("WINNOW_STORAGE_CONNECTIONS", json.dumps({"herd": connection}))
    get_settings.cache_clear()
    run = do_import(place.project_id, "herd/", kind="s3")
    assert (run.state, run.error_code) == ("failed", "unavailable")
    assert "gives no listing" in (run.error_message or "")
