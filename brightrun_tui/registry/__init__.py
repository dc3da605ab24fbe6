"""Models that are kept: versions, report cards, comparison, export and import.

A version is a directory ``models/<name>/<number>/`` with the adapter, its tokenizer, ``report.json``, ``README.md`` and
``manifest.json`` (a digest of every file), and a row in the store that is shown only once that directory is complete.
"""

from brightrun_tui.adapter_files import UntrustedError
from brightrun_tui.domain.verdict_words import judgement_sentence
from brightrun_tui.registry.answer_evaluating import evaluate_at_endpoint
from brightrun_tui.registry.attention import needs_attention
from brightrun_tui.registry.base_places import has_base, missing_base, set_base
from brightrun_tui.registry.bundle import import_bundle
from brightrun_tui.registry.card import report_markdown
from brightrun_tui.registry.cleaning import DiskUse, Spare, clean, disk_use, find_spare, spare_words
from brightrun_tui.registry.compare import ComparedFact, Comparison, compare
from brightrun_tui.registry.compare_many import ManyComparison, compare_many
from brightrun_tui.registry.corrections import CorrectedDataset, correct, make_dataset, outcomes_of, who
from brightrun_tui.registry.curate import (
    archive,
    delete,
    describe,
    drop_alias,
    promote,
    rate,
    rollback,
    set_alias,
    tag,
    tick,
)
from brightrun_tui.registry.data_diff import LearntData, data_differences
from brightrun_tui.registry.evaluating import (
    ANSWERS,
    MOST_ANSWERS,
    RECORDS,
    keep_evaluation,
    own_data,
    plan_evaluations,
    prepare_evaluation,
)
from brightrun_tui.registry.export import export
from brightrun_tui.registry.export_kind import ExportKind, export_kinds
from brightrun_tui.registry.html_card import report_html, write_html_card
from brightrun_tui.registry.hub_pull import pull
from brightrun_tui.registry.hub_push import Pushed, Tell, push
from brightrun_tui.registry.intake import register
from brightrun_tui.registry.judging import judge_version
from brightrun_tui.registry.leaderboard import (
    Board,
    Interval,
    Standing,
    bounds_words,
    leaderboards,
    loss_of,
    make_boards,
    share_right,
    shared_boards,
)
from brightrun_tui.registry.reviews import review_lines
from brightrun_tui.registry.safety import model_name
from brightrun_tui.registry.scores import (
    GRADES_MEAN,
    LOSS_MEANS,
    PERPLEXITY_MEANS,
    QUANTISED_BASE_MEANS,
    ScoreLine,
    corrections_line,
    grades_line,
    judging_words,
    mark_words,
    measured_on,
    ruling_words,
    score_lines,
    splits_words,
)
from brightrun_tui.registry.signing import (
    Origin,
    distrust,
    origin_of,
    origins_of,
    own_key,
    sign,
    trust,
    trusted_keys,
    verify,
)
from brightrun_tui.registry.team import TeamModel, TeamRating, list_team, rate_on_hub
from brightrun_tui.registry.training import held_in, left_out, slower, times

__all__ = [
    "ANSWERS",
    "GRADES_MEAN",
    "LOSS_MEANS",
    "MOST_ANSWERS",
    "PERPLEXITY_MEANS",
    "QUANTISED_BASE_MEANS",
    "RECORDS",
    "Board",
    "ComparedFact",
    "Comparison",
    "CorrectedDataset",
    "DiskUse",
    "ExportKind",
    "Interval",
    "LearntData",
    "ManyComparison",
    "Origin",
    "Pushed",
    "ScoreLine",
    "Spare",
    "Standing",
    "TeamModel",
    "TeamRating",
    "Tell",
    "UntrustedError",
    "archive",
    "bounds_words",
    "clean",
    "compare",
    "compare_many",
    "correct",
    "corrections_line",
    "data_differences",
    "delete",
    "describe",
    "disk_use",
    "distrust",
    "drop_alias",
    "evaluate_at_endpoint",
    "export",
    "export_kinds",
    "find_spare",
    "grades_line",
    "has_base",
    "held_in",
    "import_bundle",
    "judge_version",
    "judgement_sentence",
    "judging_words",
    "keep_evaluation",
    "leaderboards",
    "left_out",
    "list_team",
    "loss_of",
    "make_boards",
    "make_dataset",
    "mark_words",
    "measured_on",
    "missing_base",
    "model_name",
    "needs_attention",
    "origin_of",
    "origins_of",
    "outcomes_of",
    "own_data",
    "own_key",
    "plan_evaluations",
    "prepare_evaluation",
    "promote",
    "pull",
    "push",
    "rate",
    "rate_on_hub",
    "register",
    "report_html",
    "report_markdown",
    "review_lines",
    "rollback",
    "ruling_words",
    "score_lines",
    "set_alias",
    "set_base",
    "share_right",
    "shared_boards",
    "sign",
    "slower",
    "spare_words",
    "splits_words",
    "tag",
    "tick",
    "times",
    "trust",
    "trusted_keys",
    "verify",
    "who",
    "write_html_card",
]
