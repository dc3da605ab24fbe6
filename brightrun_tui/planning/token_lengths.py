"""The lengths of a dataset's records in the tokens of a base model, made by the code that makes the tokens of a run."""

from __future__ import annotations

from brightrun_tui.datasets import Examined
from brightrun_tui.datasets.opening import Progress
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.token_lengths import TokenLengths, describe_lengths
from brightrun_tui.planning.token_views import TokenViews


def token_lengths(
    found: Examined, views: TokenViews, base: str, settings: RunSettings, progress: Progress = lambda what, share: None
) -> TokenLengths:
    """Count the tokens of the dataset's sample, whatever the limit. Blocking: some seconds; what ``progress`` raises
    ends the work.

    ``base``: what to call the model of ``views``.

    Raises as `TokenViews.of`.
    """
    lengths: list[int] = []
    context = unwritten = 0
    for number, record in enumerate(found.sample):
        progress(f"counting tokens: {number:,} of {len(found.sample):,} records", number / len(found.sample))
        each, context = views.lengths_of(record, settings.training.objective)
        lengths += each
        unwritten += not each
    return describe_lengths(
        lengths,
        base=base,
        of=found.report.usable,
        records=len(found.sample),
        context=context,
        max_length=settings.data.max_length,
        over_length=settings.data.over_length,
        unwritten=unwritten,
    )
