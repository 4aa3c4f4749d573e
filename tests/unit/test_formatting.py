"""Values as the dashboard shows them."""

import pytest

from imagequeue.producer.dashboard.formatting import capitalize, format_usd


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0.00"),
        (0.5, "$0.50"),
        (0.0175, "$0.0175"),
        (0.000001, "$0.000001"),
        (0.02, "$0.02"),
        (-0.02, "-$0.02"),
        (-1.5, "-$1.50"),
        (1.005, "$1.00"),
        (12345.678, "$12,345.68"),
    ],
)
def test_amount_has_at_least_two_decimals(usd: float, text: str) -> None:
    assert format_usd(usd) == text


def test_capital_letter_leaves_the_rest_as_it_is() -> None:
    assert capitalize("waits for the end of a pause (kie:main: Top up)") == (
        "Waits for the end of a pause (kie:main: Top up)"
    )
    assert capitalize("") == ""
