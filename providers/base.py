"""What every provider is: request models, and pure functions from and to wire bodies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from ..errors import InvalidRequestError, Problem
from ..field_types import is_http_url
from .account import Account
from .image_bounds import ImageBounds
from .limits import ProviderLimits
from .problems import to_problems
from .request import TOP_LEVEL
from .wire import (
    ProviderRequest,
    ProviderResponse,
    ResultImage,
    StatusUnavailable,
    SubmitOutcome,
    TaskStatus,
)

TASK_PARAM = "task_id"
"""The parameter with the provider's id of an earlier task, where a request goes on with one."""
JOB_PARAM = "job"
"""The parameter with the id of the job that had this task, in its place."""


def _check_url(url: str) -> str:
    """Refuse what a provider could not fetch; the URL itself is passed on unchanged."""
    if not is_http_url(url):
        raise ValueError("must be an http:// or https:// URL")
    return url


Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
ImageURL = Annotated[str, AfterValidator(_check_url)]


class Request(BaseModel):
    """A valid request: `prompt` and `image_urls` if its action takes them, then the `params`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def find_conflicts(self) -> Sequence[Problem]:
        """Return what is wrong between fields that are each valid alone."""
        return ()


class RequestForm(NamedTuple):
    """One kind of request that a provider takes."""

    action: str
    type: type[Request]
    model: str = ""
    """Empty if the requests of an action do not differ by model."""
    title: str = ""
    price: str = ""
    """In words; empty if it is not known."""
    credits: object = None
    """The same in the vendor's credits: a number, or what it depends on."""


class Provider(ABC):
    """One image API. It has no HTTP client, clock or Redis: the worker brings those."""

    name: ClassVar[str]
    account: ClassVar[type[Account]]
    """The account that pays; its settings and keys are shared with other providers."""
    service: ClassVar[str] = ""
    """The part of the account with keys and limits of its own; empty if it has no parts."""
    limits: ClassVar[ProviderLimits] = ProviderLimits()
    """What the vendor allows each key, the same for all providers of a quota."""
    actions: ClassVar[Mapping[str, type[Request]]]
    api_versions: ClassVar[tuple[str, ...]] = ("v1",)
    """The versions of the API it can use, the default first; a job keeps the one it was sent in."""
    first_poll_s: ClassVar[float | None] = None
    """How soon a task has usually finished, if that is earlier than the first poll."""
    submit_timeout_s: ClassVar[float] = 0.0
    """How long the response to a submission may take, if that is longer than the setting."""
    max_response_bytes: ClassVar[int] = 4 * 1024 * 1024
    """What a response holds at most; of a longer one, the rest is lost."""
    count_param: ClassVar[str] = ""
    """The parameter with the number of images to make, where a request type has it."""
    takes_files: ClassVar[bool] = False
    """Whether its requests carry the bytes of the input images, which the worker fetches."""
    follows_results: ClassVar[bool] = False
    """Whether a request that goes on with a task names its result, not the task itself."""
    charges_failed_tasks: ClassVar[bool | None] = None
    """Whether it charges for an accepted task that fails; None if it does not say."""

    @property
    def quota(self) -> str:
        """The name of what shares the limits of a key: `vendor`, or `vendor.service`."""
        return f"{self.account.name}.{self.service}" if self.service else self.account.name

    @property
    def services(self) -> Sequence[Provider]:
        """Return the provider in each service of its account that its requests may be for."""
        return (self,)

    def select(self, params: Mapping[str, Any]) -> Provider:
        """Return the provider in the service that a request with these `params` is for.

        It never raises: the params may be invalid, or of an earlier release.
        """
        return self

    def find_request_type(self, action: str, params: Mapping[str, Any]) -> type[Request]:
        """Return the type of a request; raises InvalidRequestError if there is none.

        `params` are not validated yet: they may choose among several types of one action.
        """
        if action not in self.actions:
            words = f"{self.name} offers {', '.join(self.actions)}"
            raise InvalidRequestError([Problem("action", words)])
        return self.actions[action]

    def takes_task(self, action: str, params: Mapping[str, Any]) -> bool:
        """Return whether a request may go on with an earlier task; raises InvalidRequestError."""
        return TASK_PARAM in self.find_request_type(action, params).model_fields

    def find_image_bounds(self, params: Mapping[str, Any]) -> ImageBounds | None:
        """Return what each of the `image_urls` may be; None if they need not be images."""
        return ImageBounds()

    def list_image_params(self, params: Mapping[str, Any]) -> Sequence[str]:
        """Return the names of the parameters that take URLs of images, such as a mask."""
        return ()

    def find_count_param(self, action: str, params: Mapping[str, Any]) -> str:
        """Return the parameter with the number of images to make; empty if there is none.

        Raises InvalidRequestError.
        """
        fields = self.find_request_type(action, params).model_fields
        return self.count_param if self.count_param in fields else ""

    def list_forms(self) -> Iterator[RequestForm]:
        """Yield each kind of request: for each action, or for each model and action."""
        for action, request_type in self.actions.items():
            yield RequestForm(action, request_type)

    def validate_request(
        self, action: str, prompt: str, image_urls: Sequence[str], params: Mapping[str, Any]
    ) -> Request:
        """Return the typed request; raises InvalidRequestError with every problem found."""
        fields: dict[str, Any] = dict(params)
        if misplaced := [name for name in TOP_LEVEL if name in fields]:
            words = "belongs beside params, as `{}`"
            raise InvalidRequestError([Problem(f"params.{n}", words.format(n)) for n in misplaced])
        model = self.find_request_type(action, params)
        if prompt or "prompt" in model.model_fields:
            fields["prompt"] = prompt
        if image_urls:
            fields["image_urls"] = list(image_urls)
        try:
            request = model.model_validate(fields)
        except ValidationError as error:
            raise InvalidRequestError(to_problems(model, error)) from None
        if conflicts := request.find_conflicts():
            raise InvalidRequestError(conflicts)
        return request

    def estimate(self, action: str, request: Request) -> Decimal | None:
        """Return the expected price of a request in the account's credits; None if unknown."""
        return None

    def get_first_poll_s(self, params: Mapping[str, Any]) -> float | None:
        """Return how soon a task with these `params` has usually finished; None if unknown."""
        return self.first_poll_s

    @abstractmethod
    def build_submit_request(
        self, request: Request, callback_url: str | None, api_version: str
    ) -> ProviderRequest:
        """Build the request that starts, and pays for, the task.

        Raises InvalidRequestError if `api_version` cannot express `request`.
        """

    @abstractmethod
    def parse_submit_response(self, response: ProviderResponse, api_version: str) -> SubmitOutcome:
        """Return what a submission led to; anything undocumented is `OutcomeUnknown`."""

    @abstractmethod
    def build_status_request(self, task_id: str, api_version: str) -> ProviderRequest:
        """Build the request for a task's status; it is free of charge."""

    @abstractmethod
    def parse_status_response(self, response: ProviderResponse, api_version: str) -> TaskStatus:
        """Return a task's status; raises MalformedResponseError on an undocumented body."""

    @abstractmethod
    def parse_callback(self, body: bytes) -> TaskStatus:
        """Return the status in a callback of any API version; raises MalformedResponseError."""


class BatchProvider(Provider):
    """A provider that reports on several tasks at once, whatever API version they were sent in.

    An item that cannot be parsed must not spoil the others: its status is `StatusUnavailable`.
    """

    max_batch_size: ClassVar[int]
    """How many tasks one request may name."""

    @abstractmethod
    def build_batch_status_request(self, task_ids: Sequence[str]) -> ProviderRequest:
        """Build the request for the status of at most `max_batch_size` tasks."""

    @abstractmethod
    def parse_batch_status_response(
        self, response: ProviderResponse
    ) -> Mapping[str, TaskStatus] | StatusUnavailable:
        """Return each task's status by its id, or why there is no status at all.

        A task that the response lacks is left out; the caller counts it as `TaskNotFound`.
        Raises MalformedResponseError on an undocumented body.
        """


class UrlRefreshProvider(Provider):
    """A provider that gives a new URL for an image whose own is refused or dead."""

    @abstractmethod
    def build_refresh_url_request(self, url: str) -> ProviderRequest:
        """Build the request for a new URL of the same file; it is free of charge."""

    @abstractmethod
    def parse_refresh_url_response(self, response: ProviderResponse) -> ResultImage:
        """Return the image at its new URL; raises MalformedResponseError without one."""
