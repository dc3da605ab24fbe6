"""What a run may cost: its own limits, the account that pays, and the month."""

from __future__ import annotations

from brightrun_tui.config import MoneyLimits, load_section
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, BudgetError, NoFundsError, UsageError
from brightrun_tui.domain.money import Estimate
from brightrun_tui.paths import Paths
from brightrun_tui.planning.check import Check, CheckName, failed, ok, warning
from brightrun_tui.planning.draft import Draft
from brightrun_tui.providers.base import Account
from brightrun_tui.store.leases import month_spending_of


def check_budget(draft: Draft, estimate: Estimate) -> Check:
    for limit, title in ((draft.budget_usd, "budget"), (draft.max_hours, "time limit")):
        if limit is not None and not 0 < limit < float("inf"):
            return failed(
                CheckName.BUDGET,
                UsageError(
                    f"a {title} must be a number, and more than nothing",
                    where=title,
                    fix="give a number above 0, or leave it out for no limit",
                    kind=ErrorKind.BAD_LIMIT,
                ),
            )
    if draft.budget_usd is not None and estimate.cost_usd > draft.budget_usd:
        cost, budget = humanize.money_apart(estimate.cost_usd, draft.budget_usd)
        return failed(
            CheckName.BUDGET,
            BudgetError(
                f"the run costs about {cost}, the budget is {budget}",
                kind=ErrorKind.OVER_BUDGET,
                fix="raise the budget, or choose fewer epochs, a smaller base model or a cheaper machine",
            ),
        )
    if draft.max_hours is not None and estimate.seconds_low > draft.max_hours * 3600:
        return failed(
            CheckName.BUDGET,
            BudgetError(
                f"the run takes about {humanize.roughly(estimate.seconds)}, the limit is {humanize.span(draft.max_hours * 3600)}",
                kind=ErrorKind.OVER_TIME,
                fix="raise the limit, or choose fewer epochs, a smaller base model or a faster machine",
            ),
        )
    if draft.budget_usd is not None and estimate.cost_usd_high > draft.budget_usd:
        return warning(
            CheckName.BUDGET,
            f"about {humanize.money(estimate.cost_usd)}; it could come to {humanize.money(estimate.cost_usd_high)}, "
            "over the budget",
            "the run is then stopped in time, with its checkpoint kept",
        )
    if not estimate.price_per_hour:
        return ok(CheckName.BUDGET, "costs nothing")
    if draft.budget_usd is None:
        return warning(
            CheckName.BUDGET,
            f"about {humanize.money(estimate.cost_usd)} (up to {humanize.money(estimate.cost_usd_high)}), and no ceiling is set",
            "a budget ends the run in time and keeps what it has learned, whatever happens",
        )
    return ok(
        CheckName.BUDGET, f"about {humanize.money(estimate.cost_usd)} (up to {humanize.money(estimate.cost_usd_high)})"
    )


def check_account(draft: Draft, account: Account | BrightrunError, estimate: Estimate) -> Check | None:
    """Say whether the balance pays for the run; None where nothing is paid."""
    if not estimate.cost_usd:
        return None
    if isinstance(account, BrightrunError):
        return failed(CheckName.ACCOUNT, account)
    balance = account.balance_usd
    if balance is None:
        return warning(CheckName.ACCOUNT, "the balance is not known", "check there whether it covers the run")
    if balance < estimate.cost_usd:
        return failed(
            CheckName.ACCOUNT,
            NoFundsError(
                f"the account has {humanize.money(max(0.0, balance))}, the run costs about {humanize.money(estimate.cost_usd)}",
                where=draft.provider,
                fix="add funds there, or choose a smaller run",
                kind=ErrorKind.NO_FUNDS,
            ),
        )
    left = f"{humanize.money(balance)} left"
    if balance < estimate.cost_usd_high:
        return warning(
            CheckName.ACCOUNT,
            f"{left}; the run could come to {humanize.money(estimate.cost_usd_high)}",
            "add funds, or set a budget below that",
        )
    return ok(CheckName.ACCOUNT, left)


def check_month(estimate: Estimate, paths: Paths) -> Check | None:
    """Check what all runs together may cost in this calendar month; None where no limit is set."""
    limit = load_section(paths, "money", MoneyLimits).monthly_limit_usd
    if limit is None:
        return None
    left = limit - month_spending_of(paths.database).total
    if estimate.cost_usd > left:
        cost, rest = humanize.money_apart(estimate.cost_usd, max(0.0, left))
        return failed(
            CheckName.MONTH,
            BudgetError(
                f"the run costs about {cost}, this month's limit of {humanize.money(limit)} leaves {rest}",
                kind=ErrorKind.OVER_MONTH,
                fix=f"raise monthly_limit_usd under [money] in {paths.config_file}, or wait for the next month",
            ),
        )
    return ok(CheckName.MONTH, f"{humanize.money(left)} of {humanize.money(limit)} are left for this month")
