"""The building blocks of the pages, rendered by the environment that the pages use."""

from __future__ import annotations

import re

import pytest

from app.web.templating import _environment

HOSTILE = '"><script>alert(1)</script>'
CHARTS = '{% from "macros/charts.html" import line_chart, bar_chart, column_chart, heat_map, reliability_chart %}'


def rendered(source: str, **context: object) -> str:
    return _environment().from_string(source).render(context)


@pytest.mark.parametrize(
    "call",
    [
        'line_chart([{"name": name, "points": [(1, 0.5), (2, 0.75)]}], name, name, name, mark=(1, name))',
        'bar_chart([{"label": name, "value": 3, "href": "/x", "note": name}], name, name, goal=2, label=name)',
        'column_chart([{"label": name, "value": 3, "href": name}], name, name, name)',
        'heat_map([name, "b"], [name, "b"], [[3, 1], [0, 2]], name, links=[[name, name], [none, name]])',
        'reliability_chart([{"confidence": 0.5, "accuracy": 0.4, "count": 9}], name)',
    ],
)
def test_a_hostile_name_stays_text_in_every_chart(call: str) -> None:
    html = rendered(CHARTS + "{{ " + call + " }}", name=HOSTILE)
    assert "<script" not in html
    assert "&#34;&gt;&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("ui", "button(name, href=name, key=name, title=name)"),
        ("ui", "button(name, name=name, value=name, id=name)"),
        ("ui", "post_button(name, name, name, fields={name: name})"),
        ("ui", "badge(name, title=name)"),
        ("ui", "progress(name, 3, words=name, rate=name)"),
        ("ui", "stat(name, 3, 4, note=name, href=name)"),
        ("ui", "empty_state(name, name, name, name)"),
        ("ui", "pager(name, name, name)"),
        ("ui", "chips([{'name': name, 'value': name, 'remove': name}], words=name, clear=name)"),
        ("ui", "tabs([(name, name, name, 3)], name, label=name)"),
        ("ui", "breadcrumbs([(name, name)])"),
        ("ui", "sort_header(name, name, 'ascending')"),
        ("ui", "field(name, name, name, hint=name, error=name, placeholder=name, attributes={'data-x': name})"),
        ("ui", "field('a', 'A', name, options=[(name, name), 'b'])"),
        ("ui", "check(name, name, name, hint=name)"),
        ("ui", "form_errors([name])"),
        ("images", "cell(name, name, name, href=name, detail=name, badges=[name, (name, 'warn')])"),
        ("images", "cell(name, name, name, href=name, select=false)"),
        ("images", "suggestion(1, name, name, 0.5, sub=name, sub_id=name)"),
        ("images", "thumb(name, name)"),
    ],
)
def test_a_hostile_name_stays_text_in_every_building_block(module: str, call: str) -> None:
    macro = call.split("(", 1)[0]
    html = rendered(f'{{% from "macros/{module}.html" import {macro} %}}{{{{ {call} }}}}', name=HOSTILE)
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_figure_below_its_goal_says_how_much_is_needed() -> None:
    html = rendered('{% from "macros/ui.html" import stat %}{{ stat("Satsumas", 31, 40) }}')
    assert "of 40" in html
    assert "9 more needed" in html
    assert "meter-short" in html


def test_a_figure_that_was_not_measured_says_so() -> None:
    macro = '{% from "macros/ui.html" import measured %}'
    assert "not measured" in rendered(macro + "{{ measured(none) }}")
    words = re.sub(r"<[^>]+>|\s+", " ", rendered(macro + "{{ measured(0.8712, 0.0249, 1412, 0.84) }}"))
    assert re.sub(r" +", " ", words).strip() == "0.87 ± 0.02 on 1,412 images, was 0.84"


@pytest.mark.parametrize(
    ("points", "ticks"),
    [
        ([(1, 0.21), (2, 0.34), (3, 0.87)], ["1", "2", "3"]),
        ([(0, 3), (120, 9)], ["0", "20", "40", "60", "80", "100", "120"]),
        ([(1, 0.5), (1, 0.5)], ["1"]),
        ([(5, -2.0), (9, None)], ["5", "6", "7", "8", "9"]),
    ],
)
def test_axes_carry_round_numbers_and_whole_epochs(points: list[tuple[int, float | None]], ticks: list[str]) -> None:
    html = rendered(CHARTS + '{{ line_chart([{"name": "a", "points": points}], "Epoch", "Loss", "T") }}', points=points)
    assert re.findall(r'y="16" text-anchor="middle">([^<]*)<', html) == ticks


def test_a_chart_without_figures_says_so() -> None:
    for call in ('line_chart([], "x", "y", "T")', 'bar_chart([], "n", "T")', 'heat_map([], [], [], "T")'):
        assert "Nothing to draw yet" in rendered(CHARTS + "{{ " + call + " }}")


def test_every_chart_carries_the_table_behind_it() -> None:
    html = rendered(CHARTS + '{{ line_chart([{"name": "a", "points": [(1, 0.125)]}], "Epoch", "Loss", "T") }}')
    assert '<td class="num">0.125</td>' in html


def test_the_page_frame_names_the_place_and_holds_no_inline_script_or_style() -> None:
    context = {
        "user": {"id": 1, "name": HOSTILE, "is_administrator": True},
        "project": {"name": HOSTILE, "slug": "fruit"},
        "projects": [{"name": HOSTILE, "slug": "fruit"}],
        "role": "engineer",
        "active": "runs",
        "csrf_token": "token",
        "flashes": [{"kind": "good", "message": HOSTILE}],
    }
    html = rendered('{% extends "base.html" %}{% block title %}Runs{% endblock %}', **context)
    assert "alert(1)" in html
    assert "<script>" not in html
    assert not re.search(r'\sstyle="|<style|\son\w+="|javascript:', html)
    assert re.search(r'href="/projects/fruit/runs"\s+aria-current="page"', html)
