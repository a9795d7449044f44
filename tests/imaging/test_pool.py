"""The decode pool: same results as in-process, and nothing that a file does reaches the parent."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from app.core.errors import Unavailable
from app.imaging.child_process import ChildDiedError, ChildProcess
from app.imaging.errors import Reason, Undecodable
from app.imaging.limits import Limits
from app.imaging.pool import DecodePool
from app.imaging.processing import process
from tests.photos import encode, photos, truncated

ROOT = Path(__file__).resolve().parents[2]


def test_outcomes_come_in_order_and_equal_those_in_process():
    originals = photos(30)
    with DecodePool(2) as pool:
        outcomes = list(pool.process_many((index, one.image_bytes) for index, one in enumerate(originals)))
    assert [key for key, _ in outcomes] == list(range(30))
    assert [outcome for _, outcome in outcomes] == [process(one.image_bytes) for one in originals]


def test_bad_files_are_reported_and_the_rest_goes_on():
    good = photos(1)[0].image_bytes
    files = {"a": good, "empty": b"", "text": b"hello", "cut": truncated(), "b": good, "big": bytes(3_000_000)}
    with DecodePool(1, limits=Limits(max_bytes=2_000_000)) as pool:
        outcomes = dict(pool.process_many(files.items()))
    reasons = {key: out.reason_code for key, out in outcomes.items() if isinstance(out, Undecodable)}
    assert reasons == {
        "empty": Reason.EMPTY,
        "text": Reason.NOT_AN_IMAGE,
        "cut": Reason.TRUNCATED,
        "big": Reason.TOO_MANY_BYTES,
    }


def test_an_image_beyond_the_memory_limit_is_refused_and_the_pool_goes_on():
    huge = encode(Image.new("RGB", (9000, 6000), "green"), "PNG", compress_level=1)
    with DecodePool(1, memory_mib=256) as pool:
        refused = pool.process_one(huge)
        assert isinstance(refused, Undecodable)
        assert refused.reason_code == Reason.OUT_OF_MEMORY
        assert pool.process_one(photos(1)[0].image_bytes) == process(photos(1)[0].image_bytes)


def test_a_decoder_that_hangs_is_ended_and_the_pool_goes_on():
    original = photos(1)[0].image_bytes
    with DecodePool(1, seconds_per_image=3.0) as pool:
        pool.process_one(original)
        (hanging,) = children_of(os.getpid())
        os.kill(hanging, signal.SIGSTOP)
        refused = pool.process_one(original)
        assert isinstance(refused, Undecodable)
        assert refused.reason_code == Reason.TIMED_OUT
        assert pool.process_one(original) == process(original)
        assert hanging not in children_of(os.getpid())


def test_a_killed_child_is_replaced_and_its_image_tried_again():
    originals = photos(40)
    with DecodePool(2) as pool:
        outcomes = pool.process_many((index, one.image_bytes) for index, one in enumerate(originals))
        results = [next(outcomes)]
        for child in children_of(os.getpid()):
            os.kill(child, signal.SIGKILL)
        results += list(outcomes)
    assert [outcome for _, outcome in results] == [process(one.image_bytes) for one in originals]


def test_only_a_few_images_are_held_at_a_time():
    original = photos(1)[0].image_bytes
    taken: list[int] = []

    def read() -> Iterator[tuple[int, bytes]]:
        for index in range(100):
            taken.append(index)
            yield index, original

    with DecodePool(2) as pool:
        outcomes = pool.process_many(read())
        next(outcomes)
        assert len(taken) <= 9
        outcomes.close()


def test_children_end_with_the_pool():
    with DecodePool(2) as pool:
        list(pool.process_many(enumerate([photos(1)[0].image_bytes] * 10)))
        children = children_of(os.getpid())
        assert children
    assert not children_of(os.getpid()) & children


def test_closing_in_the_midst_blames_no_image():
    pool = DecodePool(1)
    outcomes = pool.process_many(enumerate([photos(1)[0].image_bytes] * 20))
    next(outcomes)
    (child,) = children_of(os.getpid())
    os.kill(child, signal.SIGSTOP)
    closing = threading.Timer(0.2, pool.close)
    closing.start()
    with pytest.raises(Unavailable, match="closed"):
        list(outcomes)
    closing.join()


def test_children_die_with_a_killed_parent():
    script = (
        "import time; from app.imaging.pool import DecodePool; pool = DecodePool(1); pool.process_one(b'x');"
        "print('up', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    children = children_of(parent.pid)
    assert len(children) == 1
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)


def test_a_child_sees_no_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINNOW_DATABASE_URL", "postgresql://someone:secret@db/winnow")
    with DecodePool(1) as pool:
        pool.process_one(b"x")
        environments = [Path(f"/proc/{child}/environ").read_bytes() for child in children_of(os.getpid())]
    assert environments
    assert not any(b"secret" in environment for environment in environments)


def test_a_pool_whose_children_cannot_start_says_so_instead_of_blaming_the_image():
    with DecodePool(1, memory_mib=16) as pool, pytest.raises(Unavailable, match="16 MiB"):
        pool.process_one(photos(1)[0].image_bytes)


def test_a_child_that_was_ended_is_noticed():
    child = ChildProcess(memory_mib=1024, limits=Limits())
    assert child.is_alive()
    child.signal_end()
    with pytest.raises(ChildDiedError):
        child.ask(photos(1)[0].image_bytes, seconds=5)
    child.kill()
    assert not child.is_alive()


def children_of(parent: int) -> set[int]:
    """Process ids of decoding children."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and b"app.imaging.child" in command:
            found.add(int(status.parent.name))
    return found
