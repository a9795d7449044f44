"""`winnow demo`: the whole loop on real photos, then the web app with all of it to browse."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from app.cli import demo_story as told
from app.cli.demo_photos import RARE_CLASS, lay_out
from app.cli.output import reported
from app.cli.processes import keep_up, running_family
from app.cli.waiting import console
from app.core.database import Json, read
from app.core.settings import get_settings
from app.core.storage import written_beside
from app.datasets.queries import class_names
from app.datasets.usable import usable_images


def demo(
    *,
    check: Annotated[bool, typer.Option(help="End after the loop, with a JSON summary.")] = False,
) -> None:
    """Run the loop on about 2,000 shop photos, then leave the web app running."""
    with reported(as_json=check), running_family() as family:
        summary = _told_before() or _tell_whole()
        if check:
            print(json.dumps(summary))
            return
        address = f"{get_settings().base_url}/projects/{summary['project']}"
        console.print(f"\nThe loop took {summary['seconds']:.0f} s. Look around: [bold]{address}[/]", highlight=False)
        console.print(f"Sign in as [bold]{told.USER}[/] with the password {summary['password']}", highlight=False)
        console.print("Ctrl-C ends it; `make up` starts it again.")
        keep_up(family)


def _summary_path() -> Path:
    return get_settings().data_dir / "demo.json"


def _told_before() -> Json | None:
    """The summary of a loop that came to its end on this data folder."""
    if not _summary_path().exists():
        return None
    console.print("The loop was run on this data folder before; delete the folder to see it again.")
    found: Json = json.loads(_summary_path().read_text())
    return {**found, "password": f"of then (`winnow user password {told.USER}` makes a new one)"}


def _tell_whole() -> Json:
    story = told.Story(lay_out(get_settings().data_dir / "demo-photos"))
    began = time.monotonic()
    _tell(story)
    seconds = round(time.monotonic() - began, 1)
    summary: Json = {"ok": True, "project": story.slug, "seconds": seconds, "steps": story.steps}
    with written_beside(_summary_path()) as file:
        file.write(json.dumps(summary).encode())
    return {**summary, "password": f"{story.password} (once: you will choose your own)"}


def _tell(story: told.Story) -> None:
    told.begin(story)
    story.tell("Import real shop photos", lambda: told.import_photos(story), _imported)
    first = story.tell(
        "First training: head only on the pretrained trunk",
        lambda: told.train(story, start="head_only", trunk="efficientnet_lite0"),
        told.trained_words,
    )
    story.tell("Gate and promotion", lambda: told.promote(story, first["version_id"], "First version"), told.gate_words)
    warm = story.tell(
        "Warm start: new output layer, all weights train, at 128 px",
        lambda: told.train(
            story,
            start="warm",
            parent_version_id=first["version_id"],
            input_size=128,
            upper=40,
            epochs=5,
            patience=2,
            batch_size=16,
            learning_rate=5e-4,
        ),
        told.trained_words,
    )
    story.tell("Gate of the warm start", lambda: told.promote(story, warm["version_id"], "Warm start"), told.gate_words)
    _look_for_the_rare(story, first["version_id"])
    story.tell(
        "Identify the pool",
        lambda: told.identify_pool(story),
        lambda each: f"{each['images']} images; {each['accuracy_on_hidden_truth']:.2f} right by the hidden truth",
    )
    story.tell(
        "Draw the map of the library",
        lambda: told.draw_map(story),
        lambda each: f"{each['images']} images; what lies together looks alike",
    )
    story.tell(
        "Serve requests and grade the answers",
        lambda: told.serve_requests(story),
        lambda each: (
            f"{each['requests']} requests: {each['answered']} answered, {each['choices']} choices, "
            f"{each['unable']} unable; {each['graded_correct']} right; median {each['median_ms']:.0f} ms"
        ),
    )


def _look_for_the_rare(story: told.Story, parent_version_id: int) -> None:
    """Throw-away run, labelling of what it found, and the next version."""
    thrown = story.tell(
        f"Throw-away run with a lowered cutoff, to find {RARE_CLASS}",
        lambda: told.train(
            story,
            start="head_only",
            purpose="throwaway",
            parent_version_id=parent_version_id,
            lower=_usable(story.project_id, RARE_CLASS),
        ),
        lambda figures: f"{told.trained_words(figures)}; candidates {figures['candidates']}",
    )
    story.tell(
        "Label again: the candidates, and half of the pool",
        lambda: told.label_again(story, thrown["job_id"], thrown["version_id"]),
        lambda each: (
            f"{each['shown']} shown: {each['accepted']} suggestions accepted, {each['corrected']} corrected; "
            f"{each['rare']} more of {RARE_CLASS}"
        ),
    )
    second = story.tell(
        f"Next version, which knows {RARE_CLASS}",
        lambda: told.train(story, start="head_only", parent_version_id=parent_version_id),
        told.trained_words,
    )
    words = f"Knows {RARE_CLASS} too"
    story.tell("Gate and promotion", lambda: told.promote(story, second["version_id"], words), told.gate_words)


def _imported(each: Json) -> str:
    return (
        f"{each['added']} photos, {each['known']} exact duplicates, {each['near_duplicate_groups']} groups of near "
        f"duplicates, {each['labelled']} labelled; {each['images_per_second']:.0f} images/s"
    )


def _usable(project_id: int, class_name: str) -> int:
    """How many usable images a class has now."""
    with read() as session:
        class_id = next(key for key, name in class_names(session, project_id).items() if name == class_name)
        return usable_images(session, project_id, [class_id])[class_id]
