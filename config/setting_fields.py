"""Every setting with its type, default and description; providers' accounts add theirs.

`make settings` writes `.env.example` and `docs/settings.md` from here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt
from pydantic_settings import BaseSettings

from ..field_types import BaseURL, HttpURL, Seconds, SecondsList, Secrets, Unset
from ..image_names import ImageName
from .budgets import BudgetList
from .durability import DurabilityPolicy
from .setting_types import (
    ArchiveURL,
    BrokerURL,
    CertificateFile,
    FilePath,
    Hosts,
    HostsWithPort,
    Networks,
    ProxyURL,
    RedisURL,
    SecondsOrZero,
    StorageURL,
    WebhookSecrets,
)


class SettingFields(BaseSettings):
    """The settings themselves; `Settings` reads them and derives values from them."""

    # Addresses
    redis_url: Annotated[RedisURL | None, Unset] = Field(
        None, description="The Redis that stores the jobs; if unset, `imagequeue up` runs one."
    )
    broker_url: Annotated[BrokerURL | None, Unset] = Field(
        None,
        description="The broker of Celery's messages: a Redis, or RabbitMQ at "
        "`amqp://user:password@host:5672/vhost` or `amqps://`; if unset, `REDIS_URL`.",
    )
    durability: DurabilityPolicy = Field(
        "disk",
        description="When jobs, intents to pay and callbacks count as stored: `disk` needs a Redis "
        "with an append-only file, `replica` waits for its replicas too, and `memory` accepts that "
        "a restart of Redis loses jobs, paid ones included.",
    )
    data_dir: FilePath = Field(
        Path("data"), description="The folder of the embedded Redis, the secrets and the images."
    )
    storage_url: Annotated[StorageURL | None, Unset] = Field(
        None,
        description="Where images are saved: `file:///folder`, `s3://bucket/prefix`, "
        "`gs://bucket/prefix` or `az://container/prefix`; if unset, `images/` in `DATA_DIR`.",
    )
    archive_url: Annotated[ArchiveURL | None, Unset] = Field(
        None,
        description="Where finished jobs go from Redis: `sqlite:////folder/file`, "
        "`postgresql+psycopg://user:password@host/database`, or `none` to delete them; if unset, "
        "`archive.sqlite` in `DATA_DIR`, or `none` where `STORAGE_URL` is set, except for "
        "`imagequeue up` with its own Redis.",
    )
    image_name: Annotated[ImageName | None, Unset] = Field(
        None,
        description="How the images of jobs without an `image_name` are named, such as "
        "`{date}/{metadata.sku}-{index}.{ext}`; if unset, `{job}/{index}.{ext}`.",
    )
    save_origins: bool = Field(
        False,
        description="Whether to save the images that a provider lists beside its results, such as "
        "`originImageUrl`.",
    )
    public_url: Annotated[BaseURL | None, Unset] = Field(
        None,
        description="The address at which providers reach the receiver; if unset, jobs are polled.",
    )

    # Secrets
    secret_key: Secrets = Field(
        (), description="Signs callback URLs; comma-separated: the first signs, all verify."
    )
    api_keys: Secrets = Field(
        (),
        description="Keys of the HTTP API, `KEY` or `NAME:KEY`, comma-separated; "
        "`imagequeue keys` creates more. Without any, only this machine has access.",
    )

    # Webhooks
    webhook_url: Annotated[HttpURL | None, Unset] = Field(
        None, description="Receives the webhooks of jobs that name no URL of their own."
    )
    webhook_secret: WebhookSecrets = Field(
        (), description="Signs webhooks (`whsec_...`); comma-separated: all sign."
    )
    webhook_give_up_s: Seconds = Field(86400, description="How long a failed webhook is retried.")
    webhook_trusted_hosts: HostsWithPort = Field(
        (),
        description="Webhook hosts (`host:port` or `*.example.com:port`, comma-separated) "
        "that may have private addresses.",
    )
    webhook_trusted_networks: Networks = Field(
        (),
        description="Private networks (CIDR, comma-separated) that webhooks may lead to, "
        "such as the fake addresses of a proxy: `198.18.0.0/15`.",
    )

    # Callbacks
    callback_trust: Literal["url", "requery"] = Field(
        "url",
        description="`url`: a callback to the job's secret URL is trusted; "
        "`requery`: the provider is asked to confirm each one.",
    )
    callback_hosts: Hosts = Field(
        (),
        description="Hosts (`*.example.com` too) that a callback's images may come from; "
        "the provider is asked to confirm others. If unset, all.",
    )

    # Outgoing requests
    http_proxy: Annotated[ProxyURL | None, Unset] = Field(
        None,
        description="`http://` or `https://` URL of a proxy for providers, downloads and webhooks. "
        "It resolves names itself, so of private addresses only literal ones are blocked.",
    )
    ca_file: Annotated[CertificateFile | None, Unset] = Field(
        None,
        description="PEM file of the certificate authorities to trust instead of the public ones.",
    )

    # Time, in seconds
    poll_countdowns: SecondsList = Field(
        (60, 300, 900),
        min_length=1,
        description="Delays before the first polls, each counted from the poll before it; "
        "the `POLL_DELAYS` of an account replace them.",
    )
    poll_tail_s: Seconds = Field(
        1800, description="Delay between polls after the countdowns (state `overdue`)."
    )
    give_up_after_s: Seconds = Field(
        86400, description="Time from acceptance to `failed` with reason `timed_out`."
    )
    submit_timeout_s: Seconds = Field(
        20, description="Timeout of one submission, response included."
    )
    unconfirmed_after_s: Seconds = Field(
        3600, description="How long a job whose response was lost waits for its callback."
    )
    url_lifetime_s: Seconds = Field(
        3600, description="Assumed lifetime of a result URL where the provider states none."
    )
    download_timeout_s: Seconds = Field(300, description="Timeout of one image's download.")
    sweep_every_s: Seconds = Field(1, description="How often each worker looks for due jobs.")
    lease_s: Seconds = Field(
        25, description="How long a message or worker may be silent before its job is woken again."
    )
    images_wait_s: Seconds = Field(
        570,
        description="How long `/v1/images` waits for a job before it asks for the same request "
        "again; below the timeout of its programs, which is 600 s in most SDKs.",
    )
    images_repeat_window_s: SecondsOrZero = Field(
        60,
        description="How long after its answer an equal request to `/v1/images` is a repetition, "
        "unless it has a key or says that it is new.",
    )
    retention_s: Annotated[Seconds | None, Unset] = Field(
        None,
        description="How long a finished job stays in Redis, before it goes to the archive or, "
        "without one, is deleted; if unset, a day or 30 days. Images stay. Uploads and quarantined "
        "callbacks live as long; if unset, 30 days.",
    )

    # Limits
    submit_attempts: PositiveInt = Field(
        20, description="Temporary refusals, rate limits aside, before a job fails."
    )
    download_attempts: PositiveInt = Field(
        8, description="Attempts for each image before a job is `unsaved`."
    )
    max_crashes: PositiveInt = Field(
        10, description="Times that a step may crash its worker before its job is given up."
    )
    download_max_bytes: PositiveInt = Field(
        536870912, description="The largest image or video that is saved."
    )
    check_input_images: bool = Field(
        True,
        description="Look at the input URLs of a job before it is paid for; a dead URL, another "
        "file or an image beyond the model's bounds fails it.",
    )
    download_trusted_hosts: HostsWithPort = Field(
        (),
        description="Download hosts (`host:port` or `*.example.com:port`, comma-separated) "
        "that may have private addresses.",
    )
    download_trusted_networks: Networks = Field(
        (),
        description="Private networks (CIDR, comma-separated) that downloads may lead to, "
        "such as the fake addresses of a proxy: `198.18.0.0/15`.",
    )
    max_in_flight: NonNegativeInt = Field(
        0, description="Jobs at all providers at once; 0 for no limit beyond that of each key."
    )
    caller_max_in_flight: NonNegativeInt = Field(
        0,
        description="Jobs of one caller at all providers at once; 0 for no limit. "
        "`imagequeue keys` sets it for one key.",
    )
    budgets: BudgetList = Field(
        (),
        description="The maximum to be spent in all, in UTC days and months, in dollars or "
        "credits, comma-separated: `20usd/day,300usd/month`. `imagequeue keys` sets one caller's.",
    )
    budget_exceeded: Literal["wait", "refuse"] = Field(
        "wait",
        description="What becomes of jobs beyond a budget: they wait for the next day or month, "
        "or new ones are refused.",
    )
    max_queued_messages: PositiveInt = Field(
        16, description="Messages in one queue; further jobs wait in Redis, in order."
    )
    rate_limit_pause_s: SecondsOrZero = Field(
        10, description="Pause after a rate limit that states no duration."
    )

    breaker_failures: NonNegativeInt = Field(
        5,
        description="Failures in a row after which the jobs of a provider's model wait for one "
        "that tries again; 0 for never.",
    )

    # Logs
    log_format: Literal["console", "json"] = Field(
        "console", description="A line of text or a JSON object for each event."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe level that is logged."
    )
    traces: bool = Field(
        False,
        description="Send one trace for each job by OTLP, to `OTEL_EXPORTER_OTLP_ENDPOINT`; needs "
        "`pip install imagequeue[traces]`.",
    )
