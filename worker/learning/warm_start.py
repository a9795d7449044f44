"""How a run begins: which weights the trunk has at step 0, and a new head on top.

A warm start takes an earlier version's trunk, leaves its output layer behind (popped: the head file is not
read), adds one with random weights for today's classes, and lets every weight update.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.learning.artifacts import TrunkCard
from worker.learning.backend import keras
from worker.learning.config import FitConfig
from worker.learning.errors import ConfigInvalid
from worker.learning.heads import add_head
from worker.learning.trunks import build_trunk, card_of, load_pretrained, read_trunk, trunk_digest


@dataclass(frozen=True)
class StartedNetwork:
    """A network ready to train. `trunk` shares its weights with `network` (image to logits)."""

    network: Any
    trunk: Any
    card: TrunkCard
    step0_digest: str
    """Of the trunk as it starts, under the parent's card where there is one: equal to the parent's
    digest exactly if no weight was changed, also at another input size."""


def start_network(
    config: FitConfig,
    *,
    class_count: int,
    parent_trunk: Path | None = None,
    weights_folder: Path | None = None,
    allow_download: bool = True,
) -> StartedNetwork:
    """Builds image -> embedding -> logits for the start that `config` names; every weight is trainable.

    Raises ConfigInvalid (no parent, or of another architecture), WeightsUnavailable, WeightsRefused.
    """
    if config.start == "warm":
        trunk, starting_card = _read_parent(config, parent_trunk)
    else:
        trunk = build_trunk(config.trunk, config.input_size)
        starting_card = card_of(trunk, config.trunk)
        if config.start == "pretrained":
            load_pretrained(trunk, config.trunk, weights_folder=weights_folder, allow_download=allow_download)
    logits = add_head(trunk.output, class_count=class_count, dropout=config.dropout)
    return StartedNetwork(
        network=keras.Model(trunk.input, logits, name="network"),
        trunk=trunk,
        card=card_of(trunk, config.trunk),
        step0_digest=trunk_digest(trunk, starting_card),
    )


def start_head(config: FitConfig, *, embedding_width: int, class_count: int) -> Any:
    """A network from embeddings, float32 (N, E), to logits: nothing but a new head."""
    embedding = keras.Input((embedding_width,), name="embedding")
    logits = add_head(embedding, class_count=class_count, dropout=config.dropout)
    return keras.Model(embedding, logits, name="head")


def _read_parent(config: FitConfig, parent_trunk: Path | None) -> tuple[Any, TrunkCard]:
    if parent_trunk is None:
        raise ConfigInvalid("A warm start needs the trunk of an earlier version; none was given.")
    trunk, card = read_trunk(parent_trunk, input_size=config.input_size)
    if card.architecture != config.trunk:
        raise ConfigInvalid(
            f"A warm start keeps the parent's architecture, {card.architecture}; the run asks for {config.trunk}."
        )
    return trunk, card
