"""Nothing that is loaded can run: no pickles, no `load_model`, weights only under the digest they were made with."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from sqlalchemy import select, update

from app.core.database import read, write
from app.core.errors import Unavailable
from app.core.settings import ROOT
from app.core.storage import get_storage
from app.inference.engine import TrunkEngine
from app.inference.errors import EngineError
from app.inference.head import load_head as read_head
from app.projects.models import Project
from app.registry import artifacts
from app.registry.artifacts import FOLDER, load_version
from app.registry.models import ModelVersion, Trunk
from tests.factories.registry import TinyVersion, tiny_version
from tests.inference.networks import tiny_trunk
from worker.celery_app import celery_app

SOURCES = [*ROOT.glob("app/**/*.py"), *ROOT.glob("worker/**/*.py")]
RUNNING_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "torch",
    "h5py",
}
RUNNING_CALLS = {
    *("load_model", "model_from_json", "model_from_config", "from_config", "deserialize_keras_object", "load_weights"),
    *("enable_unsafe_deserialization", "eval", "exec", "compile_model", "read_pickle", "full_load", "unsafe_load"),
    *("Lambda", "loads_pickle", "system", "popen"),
}
# The weights of a pinned package, through an unpickler that knows four harmless names; and weights alone, into a
# network built in code, from files whose checksums are written down.
ALLOWED = {
    ("worker/learning/torch_weights.py", "pickle"),
    ("worker/learning/pretrained.py", "load_weights"),
    ("worker/learning/convnext.py", "load_weights"),
    # OpenVINO's name for making a graph of operators ready to run; the file is checked by its digest before.
    ("app/inference/backends.py", "compile_model"),
}


def imported(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


def called(tree: ast.AST) -> set[str]:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}


def options(tree: ast.AST) -> set[tuple[str, object]]:
    given = [keyword for node in ast.walk(tree) if isinstance(node, ast.Call) for keyword in node.keywords]
    return {(each.arg or "", each.value.value) for each in given if isinstance(each.value, ast.Constant)}


def test_no_source_loads_what_could_run():
    assert len(SOURCES) > 200
    found = set()
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        name = str(path.relative_to(ROOT))
        found |= {(name, word) for word in imported(tree) & RUNNING_MODULES}
        found |= {(name, word) for word in called(tree) & RUNNING_CALLS}
        dangerous = {("allow_pickle", True), ("shell", True), ("safe_mode", False), ("trust_remote_code", True)}
        found |= {(name, word) for word, _ in options(tree) & dangerous}
    assert found == ALLOWED


def test_tasks_travel_as_json_alone():
    assert set(celery_app.conf.accept_content) == {"json"}
    assert celery_app.conf.task_serializer == "json"
    assert celery_app.conf.result_accept_content in (None, ["json"])


class Runs:
    """Pickled, it would write a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.path, "it ran")


@pytest.fixture
def version(project: Project) -> TinyVersion:
    """A version as training registers it, which this process has not loaded yet."""
    for cached in (artifacts._verified, artifacts._engine, artifacts._head):
        cached.cache_clear()
    return tiny_version(project.id, ["Apple", "Pear"])


def files_of(version: TinyVersion) -> tuple[Path, Path]:
    with read() as session:
        head = session.get_one(ModelVersion, version.id).head_file
        trunk = session.get_one(Trunk, version.trunk_id).exported_file
    return get_storage().file_path(FOLDER, trunk), get_storage().file_path(FOLDER, head)


@pytest.mark.parametrize("part", [0, 1])
def test_a_file_that_was_changed_is_not_loaded(version: TinyVersion, tmp_path: Path, part: int):
    path = files_of(version)[part]
    content = path.read_bytes()
    for hostile in (pickle.dumps(Runs(tmp_path / "ran")), content + b"\0", content[:-1], b""):
        path.write_bytes(hostile)
        with pytest.raises(Unavailable) as refused:
            load_version(version.id)
        assert refused.value.code == "artifact_changed"
    assert not (tmp_path / "ran").exists()
    path.unlink()
    with pytest.raises(Unavailable):
        load_version(version.id)
    path.write_bytes(content)
    assert load_version(version.id).class_ids == version.class_ids


def test_a_row_cannot_point_at_another_file(version: TinyVersion, installation: Path):
    (installation / "secret.key").write_bytes(b"x" * 32)
    for name in ("../secret.key", "/etc/passwd", "..%2fsecret.key"):
        with write() as session:
            session.execute(update(ModelVersion).values(head_file=name))
        with pytest.raises(Exception, match="not a file name of ours"):
            load_version(version.id)
    with read() as session:
        assert session.scalar(select(ModelVersion.head_file)) == name


def test_weights_that_are_something_else_are_refused_even_under_their_own_digest(tmp_path: Path):
    """What the digest says is that the file is the one that was registered; what it holds is looked at as well."""
    path = tmp_path / "head.safetensors"
    header = b'{"kernel":{"dtype":"F32","shape":[4,2],"data_offsets":[0,9223372036854775807]}}'
    bodies = (
        pickle.dumps(Runs(tmp_path / "ran")),
        b"PK\3\4 a .keras archive",
        b"\x89HDF\r\n\x1a\n",
        (2**63).to_bytes(8, "little") + b"{}",
        len(header).to_bytes(8, "little") + header + bytes(8),
    )
    for body in bodies:
        path.write_bytes(body)
        with pytest.raises(EngineError):
            read_head(path)
        with pytest.raises(EngineError):
            TrunkEngine(path)
    assert not (tmp_path / "ran").exists()


def test_a_network_cannot_read_files_beside_it(tmp_path: Path):
    """ONNX may name a file that holds its weights; one outside the network's own folder is not read."""
    (tmp_path / "secret").write_bytes(np.full(4096, 7, np.float32).tobytes())
    folder = tmp_path / "artifacts"
    folder.mkdir()
    tiny_trunk(folder / "tiny.onnx")
    for location in ("../secret", str(tmp_path / "secret"), "./../secret"):
        network = onnx.load(folder / "tiny.onnx")
        weights = next(each for each in network.graph.initializer if each.data_type == onnx.TensorProto.FLOAT)
        weights.ClearField("raw_data")
        weights.ClearField("float_data")
        weights.data_location = onnx.TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)
        (folder / "hostile.onnx").write_bytes(network.SerializeToString())
        with pytest.raises(EngineError):
            TrunkEngine(folder / "hostile.onnx")
