"""Who hears of images that change state or origin: joined once, when this is imported.

Whatever changes images imports it: the web application, the worker, and the command.
"""

from __future__ import annotations

from app.library.moves import join_followers
from app.predictions.counts import follow_moves

join_followers(follow_moves)
