"""Budgets as text, and the days and months that they are for."""

from datetime import UTC, datetime

import pytest

from imagequeue.config.budgets import Budget, find_period
from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "amount"),
    [("20usd/day", 20_000_000), ("0.000001usd/month", 1), ("5000kie/day", 5_000_000_000)],
)
def test_budget_is_parsed_and_shown_again(text: str, amount: int) -> None:
    budget = Budget.parse(text)
    assert budget.amount == amount
    assert str(budget) == text


@pytest.mark.parametrize(
    "text", ["20", "20usd", "20eur/day", "20usd/week", "0usd/day", "-1usd/day", "1e3usd/day"]
)
def test_bad_budget_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(budgets=f"1usd/day,{text}")
    (line,) = str(caught.value).splitlines()
    assert "IMAGEQUEUE_BUDGETS" in line
    assert repr(text) in line
    assert "20usd/day" in line


def test_settings_take_several_budgets() -> None:
    settings = read_settings(budgets="20usd/day, 300usd/month,")
    assert [str(budget) for budget in settings.budgets] == ["20usd/day", "300usd/month"]


def test_periods_are_days_and_months_in_utc() -> None:
    at = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    begins = datetime(2027, 1, 1, tzinfo=UTC)
    assert find_period("day", at) == ("2026-12-31", begins)
    assert find_period("month", at) == ("2026-12", begins)
    assert find_period("month", begins) == ("2027-01", datetime(2027, 2, 1, tzinfo=UTC))
