"""README tells the truth: every setting is in its table, every path and make target it names exists."""

from __future__ import annotations

import re
from pathlib import Path

from app.core.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_setting_is_documented_with_its_default():
    rows = dict(re.findall(r"^\| `(WINNOW_[A-Z_]+)` \| ([^|]*) \|", README, flags=re.MULTILINE))
    fields = Settings.model_fields
    assert set(rows) == {f"WINNOW_{name.upper()}" for name in fields}
    for name, field in fields.items():
        default = field.get_default(call_default_factory=True)
        shown = rows[f"WINNOW_{name.upper()}"].strip().strip("`")
        assert shown == ("(empty)" if default in ("", None, []) else str(default)), name


def test_every_package_is_on_the_map_in_import_order():
    named = re.findall(r"^\| `app/([a-z_]+)`", README, flags=re.MULTILINE)
    on_disk = {path.parent.name for path in ROOT.glob("app/*/__init__.py")}
    assert set(named) == on_disk


def test_make_targets_and_pictures_named_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", README)) <= targets
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file(), picture
