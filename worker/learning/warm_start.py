"""How a run begins: which weights the trunk has at step 0, and a new head on top.

A warm start takes an earlier version's trunk, leaves its output layer behind (popped), adds one with random weights
for today's classes, and lets every weight update. Where the run asks to keep the output, the weights of classes that
stay are then copied from the parent's head.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.learning.artifacts import TrunkCard
from worker.learning.backend import keras, tf
from worker.learning.config import FitConfig
from worker.learning.errors import ConfigInvalid
from worker.learning.heads import add_head, keep_output
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


@dataclass(frozen=True)
class ParentHead:
    """The output layer of a warm start's parent, of which the columns of classes that stay are kept."""

    path: Path
    columns: Mapping[int, int]
    """Position of a class today to its position in the parent."""


def start_network(
    config: FitConfig,
    *,
    class_count: int,
    parent_trunk: Path | None = None,
    parent_head: ParentHead | None = None,
    weights_folder: Path | None = None,
    allow_download: bool = True,
) -> StartedNetwork:
    """Builds image -> embedding -> logits for the start that `config` names; every weight is trainable.

    Raises ConfigInvalid (no parent, or of another architecture), WeightsUnavailable, WeightsRefused.
    """
    with computing_in(config):
        if config.start == "warm":
            trunk, starting_card = _read_parent(config, parent_trunk)
        else:
            trunk = build_trunk(config.trunk, config.input_size)
            starting_card = card_of(trunk, config.trunk)
            if config.start == "pretrained":
                load_pretrained(trunk, config.trunk, weights_folder=weights_folder, allow_download=allow_download)
        logits = add_head(trunk.output, class_count=class_count, dropout=config.dropout)
        network = keras.Model(trunk.input, logits, name="network")
    if config.keep_output:
        if parent_head is None:
            raise ConfigInvalid("Keeping the output needs the head of the version that the run starts from.")
        keep_output(network, parent_head.path, parent_head.columns)
    return StartedNetwork(
        network=network,
        trunk=trunk,
        card=card_of(trunk, config.trunk),
        step0_digest=trunk_digest(trunk, starting_card),
    )


@contextmanager
def computing_in(config: FitConfig) -> Iterator[None]:
    """Layers built inside compute at the precision that `config` asks for; their weights are float32 at any."""
    before = keras.config.dtype_policy()
    if config.precision == "mixed":
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        keras.config.set_dtype_policy("mixed_float16" if has_gpu else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


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
