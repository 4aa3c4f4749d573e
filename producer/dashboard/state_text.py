"""What each state and reason means, in words for a reader of the dashboard."""

from __future__ import annotations

from ...jobs.job import Job, Reason, State

STATES = {
    State.QUEUED: "Accepted; it waits to be sent.",
    State.SUBMITTING: "The request is on its way to the provider.",
    State.UNCONFIRMED: "The answer to the request is unknown, and it may have been paid. Its "
    "callback, its deadline or you decide.",
    State.WAITING: "The provider works on it.",
    State.OVERDUE: "The provider takes longer than usual. It is still asked every half hour.",
    State.DOWNLOADING: "The images are made. They are being saved.",
    State.UNSAVED: "The images are made and paid for, but saving them failed. To download them "
    "again is free.",
    State.SUCCEEDED: "Every image is complete, and saved.",
    State.FAILED: "It ended without a saved image.",
    State.CANCELLED: "It was cancelled. What was sent before is still charged.",
}
REASONS = {
    Reason.POLICY: "The provider's content policy refused the request.",
    Reason.BAD_INPUT: "The provider refused a parameter or an input image.",
    Reason.AUTH: "The provider accepted the task, and refused the key at its end.",
    Reason.CREDIT: "The provider accepted the task, and had no credit for it at its end.",
    Reason.PROVIDER: "The provider failed.",
    Reason.TIMED_OUT: "There was no result within the time to give up after.",
    Reason.UNREADABLE: "The provider reported a success whose images could not be read. The "
    "report is in the quarantine.",
    Reason.UNCONFIRMED: "The answer to the request was lost, and nothing has confirmed it.",
    Reason.CANCELLED: "It was cancelled.",
    Reason.UNSAVED: "Somebody acknowledged that its images are not saved.",
}
# For a card, which has room for a word or two.
_REASONS_IN_SHORT = {
    Reason.POLICY: "content policy",
    Reason.BAD_INPUT: "bad input",
    Reason.AUTH: "key refused",
    Reason.CREDIT: "no credit",
    Reason.PROVIDER: "provider error",
    Reason.TIMED_OUT: "timed out",
    Reason.UNREADABLE: "unreadable result",
    Reason.UNCONFIRMED: "never confirmed",
    Reason.CANCELLED: "cancelled",
    Reason.UNSAVED: "not saved",
}
_AWAITED = {
    State.UNCONFIRMED: "waits for its callback or a decision",
    State.OVERDUE: "waits for the provider, longer than usual",
    State.DOWNLOADING: "waits for its images to be saved",
    State.UNSAVED: "waits for a download or an acknowledgement",
}


def describe_briefly(job: Job) -> str:
    """Return why a job failed, or what it waits for; empty for others, and for a queued one."""
    if job.state is State.FAILED:
        return _REASONS_IN_SHORT[job.error.reason] if job.error and job.error.reason else ""
    if job.state is State.WAITING:
        return f"waits for the provider's {'callback' if job.delivery == 'callback' else 'result'}"
    return _AWAITED.get(job.state, "")
