"""The secrets that each process needs, wherever it is deployed."""

from __future__ import annotations

PROVIDER_KEYS = {
    f"IMAGEQUEUE_{account}_API_{keys}"
    for account in ("KIE", "ACEDATA", "OPENAI")
    for keys in ("KEY", "KEYS")
}
STORAGE_KEYS = {
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT_KEY"),
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_KEY", "AZURE_CLIENT_SECRET"),
}
ARCHIVE = {"IMAGEQUEUE_ARCHIVE_URL"}
SIGNING = {"IMAGEQUEUE_SECRET_KEY"}
SECRETS_OF = {
    # It uploads input images, serves saved ones, and signs their URLs for OpenAI's SDKs.
    "api": {"IMAGEQUEUE_API_KEYS", "IMAGEQUEUE_SECRET_KEY"}
    | PROVIDER_KEYS
    | STORAGE_KEYS
    | ARCHIVE,
    # It serves input images to providers.
    "receiver": SIGNING | STORAGE_KEYS,
    # It submits nothing while images could not be saved.
    "submit": SIGNING | PROVIDER_KEYS | STORAGE_KEYS | ARCHIVE,
    "poll": PROVIDER_KEYS | ARCHIVE,
    "callback": {"IMAGEQUEUE_KIE_WEBHOOK_HMAC_KEY"} | PROVIDER_KEYS | ARCHIVE,
    # It asks providers for another URL of an image.
    "download": PROVIDER_KEYS | STORAGE_KEYS | ARCHIVE,
    "notify": {"IMAGEQUEUE_WEBHOOK_SECRET"} | ARCHIVE,
    "flower": {"FLOWER_BASIC_AUTH"},
}
GROUPS = {
    "redis": set[str](),
    "api-keys": {"IMAGEQUEUE_API_KEYS"},
    "providers": PROVIDER_KEYS,
    "signing": SIGNING,
    "storage": STORAGE_KEYS,
    "archive": ARCHIVE,
    "webhooks": {"IMAGEQUEUE_WEBHOOK_SECRET"},
    "kie-callbacks": {"IMAGEQUEUE_KIE_WEBHOOK_HMAC_KEY"},
    "flower": {"FLOWER_BASIC_AUTH"},
}
"""The secrets that belong together, by the name of their Kubernetes Secret or file."""
