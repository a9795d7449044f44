"""Who may call the routes of results that are kept or dropped."""

from __future__ import annotations

OF_PREDICTIONS = {
    "GET /projects/{slug}/predictions": "viewer",
    "POST /projects/{slug}/predictions/clean": "engineer",
}
