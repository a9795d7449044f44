"""Settings: environment variables with the prefix `WINNOW_`, or a `.env` file in the working folder.

Nothing is checked at import; `get_settings()` builds them at first use. README's table is tested against this class.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[2]


class S3Connection(BaseModel):
    """A bucket, or a folder of one, in S3-compatible storage. Without keys it is read anonymously."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bucket: str = Field(min_length=1, max_length=200)
    prefix: str = ""
    endpoint: str = ""
    """Empty: Amazon's own, by the region."""
    region: str = "us-east-1"
    access_key_id: SecretStr = SecretStr("")
    secret_access_key: SecretStr = SecretStr("")


class Settings(BaseSettings):
    """Every setting, its default and its meaning."""

    model_config = SettingsConfigDict(env_prefix="WINNOW_", env_file=".env", extra="ignore")

    data_dir: Path = Field(Path("var/winnow"), description="Folder for the database, blobs, embeddings and artifacts.")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite inside the data folder.")
    broker_url: str = Field("", description="Redis URL of the broker; empty: an embedded one inside the data folder.")
    host: str = Field("127.0.0.1", description="Address the web process listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the web process listens on.")
    public_url: str = Field("", description="Address people use, for links and origin checks; empty: host and port.")
    secure_cookies: bool = Field(False, description="Send session cookies over HTTPS only. Set it behind TLS.")
    session_days: int = Field(14, ge=1, le=365, description="Days until an unused session ends.")
    max_upload_bytes: int = Field(
        64 * 2**20, ge=1024, description="Largest single image accepted, by import or by the identify API."
    )
    max_archive_bytes: int = Field(4 * 2**30, ge=1024, description="Largest zip archive, and its unpacked total.")
    max_archive_entries: int = Field(200_000, ge=1, description="Most entries in a zip archive.")
    max_pixels: int = Field(60_000_000, ge=4096, description="Largest image in pixels; larger ones are quarantined.")
    decode_workers: int = Field(2, ge=1, le=64, description="Child processes that decode images during an import.")
    decode_memory_mib: int = Field(2048, ge=256, description="Memory limit of a decoding child, MiB.")
    decode_seconds: float = Field(20.0, gt=0, description="Time limit for decoding one image, seconds.")
    import_roots: list[Path] = Field(
        default_factory=list,
        description="Server folders that the web app may import from (JSON list); empty: none.",
    )
    storage_connections: dict[str, S3Connection] = Field(
        default_factory=dict,
        description="Object storage to import from (JSON: name to bucket, prefix, endpoint, region, keys).",
    )
    egress_allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts that may be reached though they are not on the public internet (JSON list of names).",
    )
    max_list_addresses: int = Field(10_000, ge=1, description="Most addresses in a list that images are fetched from.")
    fetch_seconds: float = Field(60.0, gt=0, description="Time limit for fetching one file from an address, seconds.")
    export_days: int = Field(7, ge=1, le=365, description="Days until an export's file is deleted.")
    packed_days: int = Field(
        14, ge=1, le=3650, description="Days until packed images, and what ended training runs left, are deleted."
    )
    packed_gib: float = Field(
        50.0, gt=0, description="Most space for packed images, GiB; those unused for longest go first."
    )
    trunk_weights_dir: Path | None = Field(
        None, description="Folder with pretrained weights for trunks whose weights no package carries."
    )
    embedding_versions_kept: int = Field(
        3, ge=0, le=1000, description="Newest versions whose trunks keep embeddings, beside reference and production."
    )
    jobs_kept: int = Field(
        10, ge=1, le=1000, description="Newest identifications, and evaluations, whose results a project keeps."
    )
    job_days: int = Field(90, ge=1, le=3650, description="Days until the results of a job may be dropped.")
    inference_threads: int = Field(0, ge=0, description="Threads of the inference engine; 0: all cores.")
    inference_precision: Literal["measured", "float32"] = Field(
        "measured", description="`float32`: new versions never compute in bfloat16, whatever the measuring says."
    )
    identify_workers: int = Field(
        0, ge=0, le=256, description="Most workers on one identification; 0: one when embedded, four with a broker."
    )
    run_lease_seconds: int = Field(60, ge=5, description="A worker silent for this long has lost its run.")
    sweep_seconds: int = Field(20, ge=1, description="How often stale and lost runs are looked for.")
    log_level: str = Field("INFO", description="Log level of every process.")

    @property
    def sql_url(self) -> str:
        """The database to use: the configured one, or SQLite inside the data folder."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'winnow.db'}"

    @property
    def base_url(self) -> str:
        """The address people type."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process. Tests clear the cache with `get_settings.cache_clear()`."""
    return Settings()
