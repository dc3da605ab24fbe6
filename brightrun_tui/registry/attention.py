"""Which versions need somebody, and why: marked in the list of models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from brightrun_tui.domain import humanize
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.endpoint import Endpoint, standing
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.registry.base_places import missing_base
from brightrun_tui.serving import last_used

FEWEST_RATINGS = 2
IDLE_SECONDS = 3600.0
"""Without a request, from which on a rented machine is said to be paid for nothing."""
_NUMBERED = re.compile(r"(.+?)-v(\d+)")


def needs_attention(
    versions: Sequence[ModelVersion],
    endpoints: Sequence[Endpoint],
    datasets: Sequence[DatasetReport],
    waiting: Mapping[str, int],
    now: float,
) -> dict[str, tuple[str, ...]]:
    """Find the reasons by ``name:version``, each with what to do. Looks at the disk for base models.

    Args:
        waiting: by model the corrections that are in no dataset yet. They, and newer data, concern its newest version.
        now: seconds since 1970.
    """
    newest: dict[str, int] = {}
    for version in versions:
        newest[version.name] = max(newest.get(version.name, 0), version.version)
    found: dict[str, tuple[str, ...]] = {}
    for version in (each for each in versions if not each.archived):
        why = [_base(version), *_endpoints(version, endpoints, now), _ratings(version)]
        if version.version == newest[version.name]:
            why += [_corrections(version, waiting), _newer_data(version, datasets)]
        if reasons := tuple(reason for reason in why if reason):
            found[version.ref] = reasons
    return found


def _base(version: ModelVersion) -> str:
    """Say that its base is missing, unless it ran on a rented machine: then it never was here, and nothing is lost."""
    return missing_base(version) if version.base_path or version.from_elsewhere else ""


def _endpoints(version: ModelVersion, endpoints: Sequence[Endpoint], now: float) -> list[str]:
    """Return what is wrong with any of those that serve it, or were to serve it and go on with another version."""
    own = standing(each for each in endpoints if each.serves(version))
    looked_at = [each for each in own if each.state != "failed"] or own[:1]
    said = [
        _endpoint(each, f"its endpoint {each.id}" if len(looked_at) > 1 else "its endpoint", now) for each in looked_at
    ]
    refused = [
        each
        for each in standing(endpoints)
        if each.model == version.name and each.refused_version == version.version and each.state != "failed"
    ]
    return said + [f"endpoint {each.id} goes on with version {each.model_version}: {each.error}" for each in refused]


def _endpoint(own: Endpoint, called: str, now: float) -> str:
    if own.state == "failed":
        return (
            f"{called} failed {humanize.ago(own.updated_at, now)}: {own.error or 'see its log'}. Deploy it again, or forget it: "
            f"brightrun undeploy {own.id}"
        )
    if own.down:
        return f"{called} has been down since {humanize.clock(own.down_since)}: brightrun engine start"
    if own.restarting:
        return f"{called} does not answer, and is being started again: {own.restarting}"
    if own.rental is None or own.rental.serverless is not None or own.state != "ready":
        return ""
    idle = now - max(own.ready_at, last_used(Path(own.directory)))
    if idle < IDLE_SECONDS:
        return ""
    return (
        f"nobody has asked {called} for {humanize.span(idle)}, and the machine costs money "
        f"({humanize.money_counted(own.cost_usd)} so far): brightrun undeploy {own.id}"
    )


def _ratings(version: ModelVersion) -> str:
    """Say that ratings fall: the newest stars are fewer than the ones before."""
    stars = [said.rating for said in version.reviews if said.rating]
    if len(stars) < FEWEST_RATINGS or stars[-1] >= stars[-2]:
        return ""
    return f"its ratings fall: {stars[-2]} stars, then {stars[-1]}"


def _corrections(version: ModelVersion, waiting: Mapping[str, int]) -> str:
    count = waiting.get(version.name, 0)
    if not count:
        return ""
    return f"{count} correction{'s' if count > 1 else ''} wait{'' if count > 1 else 's'} to be learnt (x)"


def _newer_data(version: ModelVersion, datasets: Sequence[DatasetReport]) -> str:
    stem, number = _numbered(version.report.lineage.dataset_name)
    newer = [
        (have[1], each.name) for each in datasets if (have := _numbered(each.name))[0] == stem and have[1] > number
    ]
    return f"its data has a newer version: {max(newer)[1]}" if newer else ""


def _numbered(name: str) -> tuple[str, int]:
    """Return ``support-v3`` as ``support`` and 3; a name without a number is the first version."""
    match = _NUMBERED.fullmatch(name)
    return (match[1], int(match[2])) if match else (name.partition(".")[0], 1)
