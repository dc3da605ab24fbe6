"""The numbers of an endpoint in Prometheus' text format."""

from __future__ import annotations

from brightrun_tui.serving.state import ServerStatus, Usage

_COUNTERS = {
    "requests_total": ("requests", "Requests with the right key."),
    "refused_total": ("refused", "Requests that could not be served."),
    "failed_total": ("failed", "Requests that broke."),
    "prompt_tokens_total": ("prompt_tokens", "Tokens read."),
    "completion_tokens_total": ("completion_tokens", "Tokens answered."),
    "answer_seconds_total": ("seconds", "Seconds spent answering."),
    "first_token_seconds_sum": ("first_token_seconds", "Seconds until answers began."),
    "first_token_seconds_count": ("answers", "Answers whose beginning was seen."),
}


def exposition(usage: Usage, in_flight: int, status: ServerStatus, model: str) -> str:
    """Return one line of help, one of type and one of value for each metric, labelled with the model."""
    label = f'{{model="{model}"}}'
    lines = []
    for name, (field, help_) in _COUNTERS.items():
        lines += [f"# HELP brightrun_{name} {help_}", f"# TYPE brightrun_{name} counter"]
        lines.append(f"brightrun_{name}{label} {getattr(usage, field)}")
    for name, value, help_ in (
        ("requests_in_flight", in_flight, "Requests being answered."),
        ("ready", int(status == "ready"), "Whether the model is loaded."),
        ("asleep", int(status == "asleep"), "Whether the model has left memory until somebody asks."),
    ):
        lines += [f"# HELP brightrun_{name} {help_}", f"# TYPE brightrun_{name} gauge"]
        lines.append(f"brightrun_{name}{label} {value}")
    return "\n".join(lines) + "\n"
