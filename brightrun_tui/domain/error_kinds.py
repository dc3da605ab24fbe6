"""Why something failed, as programs know it: the ``kind`` in JSON, in stored failures and in logs. The values are API."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; they are API."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BUDGET = 3
    NOT_CONNECTED = 4
    NO_CAPACITY = 5
    INTERRUPTED = 130


class ErrorKind(StrEnum):
    """Every reason that a person or a program may be told."""

    # Data
    BAD_RUN_DATA = "bad_run_data"
    COLUMNS_INCOMPLETE = "columns_incomplete"
    DATASET_ARCHIVE = "dataset_archive"
    DATASET_BINARY = "dataset_binary"
    DATASET_BOMB = "dataset_bomb"
    DATASET_BROKEN_ARCHIVE = "dataset_broken_archive"
    DATASET_BROKEN_CSV = "dataset_broken_csv"
    DATASET_BROKEN_JSON = "dataset_broken_json"
    DATASET_BROKEN_PARQUET = "dataset_broken_parquet"
    DATASET_BROKEN_WORKBOOK = "dataset_broken_workbook"
    DATASET_CHANGED = "dataset_changed"
    DATASET_COLUMNS = "dataset_columns"
    DATASET_DAMAGED = "dataset_damaged"
    DATASET_EMPTY = "dataset_empty"
    DATASET_ENCODING = "dataset_encoding"
    DATASET_FOLDER = "dataset_folder"
    DATASET_GATED = "dataset_gated"
    DATASET_HUB_FILES = "dataset_hub_files"
    DATASET_IS_DIRECTORY = "dataset_is_directory"
    DATASET_MISSING = "dataset_missing"
    DATASET_NAME = "dataset_name"
    DATASET_NAN = "dataset_nan"
    DATASET_NEEDS_OPENPYXL = "dataset_needs_openpyxl"
    DATASET_NEEDS_PYARROW = "dataset_needs_pyarrow"
    DATASET_NESTING = "dataset_nesting"
    DATASET_NO_HEADER = "dataset_no_header"
    DATASET_NOT_A_FILE = "dataset_not_a_file"
    DATASET_PREFERENCES = "dataset_preferences"
    DATASET_RECORD_TOO_LONG = "dataset_record_too_long"
    DATASET_ROW_WIDTH = "dataset_row_width"
    DATASET_TOO_LARGE = "dataset_too_large"
    DATASET_TOO_LONG = "dataset_too_long"
    DATASET_TOO_SMALL = "dataset_too_small"
    DATASET_TRUNCATED = "dataset_truncated"
    DATASET_TURNS = "dataset_turns"
    DATASET_UNKNOWN_FILE_TYPE = "dataset_unknown_file_type"
    DATASET_UNKNOWN_FORMAT = "dataset_unknown_format"
    DATASET_UNREADABLE = "dataset_unreadable"
    DATASET_UNUSABLE = "dataset_unusable"
    DATASET_WRONG_FORMAT = "dataset_wrong_format"
    NOTHING_TO_LEARN = "nothing_to_learn"
    OVER_LENGTH = "over_length"
    UNKNOWN_COLUMN_ROLE = "unknown_column_role"

    # Bases
    BASE_CONFIG = "base_config"
    BASE_DAMAGED = "base_damaged"
    BASE_GATED = "base_gated"
    BASE_INCOMPLETE = "base_incomplete"
    BASE_IS_ADAPTER = "base_is_adapter"
    BASE_IS_GGUF = "base_is_gguf"
    BASE_MISSING = "base_missing"
    BASE_MOVED = "base_moved"
    BASE_NO_CONFIG = "base_no_config"
    BASE_NO_TOKENIZER = "base_no_tokenizer"
    BASE_NO_WEIGHTS = "base_no_weights"
    BASE_NOT_CAUSAL = "base_not_causal"
    BASE_PICKLE = "base_pickle"
    BASE_TOKENIZER = "base_tokenizer"
    BASE_UNKNOWN = "base_unknown"
    BASE_UNSUPPORTED = "base_unsupported"
    BASE_WITHOUT_WEIGHTS = "base_without_weights"
    GGUF_ARCHITECTURE = "gguf_architecture"
    GGUF_FAILED = "gguf_failed"
    GGUF_INCOMPLETE = "gguf_incomplete"
    GGUF_NO_MODEL = "gguf_no_model"
    GGUF_QUANTISATION = "gguf_quantisation"
    GGUF_SPLIT = "gguf_split"
    GGUF_UNREADABLE = "gguf_unreadable"
    INDEX_UNREACHABLE = "index_unreachable"
    NO_CHAT_TEMPLATE = "no_chat_template"
    OTHER_BASE = "other_base"
    SLOW_TOKENIZER = "slow_tokenizer"
    STARTER_UNREACHABLE = "starter_unreachable"
    VOCABULARY_TOO_SMALL = "vocabulary_too_small"
    WHEEL_OTHER_CONTENT = "wheel_other_content"

    # Models and bundles
    ADAPTER_INCOMPLETE = "adapter_incomplete"
    ALIASED = "aliased"
    BAD_BUNDLE = "bad_bundle"
    BAD_CORRECTION = "bad_correction"
    BAD_JSON = "bad_json"
    BAD_MANIFEST = "bad_manifest"
    BAD_RATING = "bad_rating"
    BAD_REPORT = "bad_report"
    BAD_REPOSITORY = "bad_repository"
    BAD_SAFETENSORS = "bad_safetensors"
    BAD_SIGNATURE = "bad_signature"
    BAD_TAG = "bad_tag"
    CONVERSION_FAILED = "conversion_failed"
    CUSTOM_CODE = "custom_code"
    DIGEST_MISMATCH = "digest_mismatch"
    FILE_NOT_ALLOWED = "file_not_allowed"
    FILE_NOT_LISTED = "file_not_listed"
    HUB_FULL = "hub_full"
    MERGE_DIFFERS = "merge_differs"
    MERGE_FAILED = "merge_failed"
    NOTHING_UNSEEN = "nothing_unseen"
    NOT_LORA = "not_lora"
    NO_BUNDLE = "no_bundle"
    NO_CORRECTIONS = "no_corrections"
    NO_DATA_NAMED = "no_data_named"
    NO_PREVIOUS = "no_previous"
    NO_REPOSITORY = "no_repository"
    NO_SAMPLES = "no_samples"
    REPOSITORY_PUBLIC = "repository_public"
    UNREADABLE_MODEL = "unreadable_model"

    # Money
    BAD_LIMIT = "bad_limit"
    BUDGET_SPENT = "budget_spent"
    BUDGET_TOO_SMALL = "budget_too_small"
    NO_FUNDS = "no_funds"
    OVER_BUDGET = "over_budget"
    OVER_MONTH = "over_month"
    OVER_TIME = "over_time"
    PRICE_CHANGED = "price_changed"

    # Services and providers
    BAD_CREDENTIAL = "bad_credential"
    BAD_JUDGE_URL = "bad_judge_url"
    BAD_KEY = "bad_key"
    BAD_KEY_FILE = "bad_key_file"
    BAD_TOKEN = "bad_token"
    CREDENTIALS_UNREADABLE = "credentials_unreadable"
    CHANNEL_FAILED = "channel_failed"
    EDGE_BLOCKED = "edge_blocked"
    HUB_BUSY = "hub_busy"
    HUB_CONFIGURATION = "hub_configuration"
    HUB_FAILING = "hub_failing"
    HUB_OFFLINE = "hub_offline"
    HUB_SPLIT = "hub_split"
    HUB_UNREACHABLE = "hub_unreachable"
    JUDGE_BUSY = "judge_busy"
    JUDGE_FAILED = "judge_failed"
    JUDGE_NOT_FOUND = "judge_not_found"
    JUDGE_NOT_OPENAI = "judge_not_openai"
    JUDGE_SILENT = "judge_silent"
    JUDGE_UNREACHABLE = "judge_unreachable"
    JUDGE_UNREADABLE = "judge_unreadable"
    KEYRING_REFUSED = "keyring_refused"
    LEASE_UNCLEAR = "lease_unclear"
    MISSING_SCOPE = "missing_scope"
    NO_CAPACITY = "no_capacity"
    NO_CREDENTIAL_NEEDED = "no_credential_needed"
    NO_GOOD_MACHINE = "no_good_machine"
    NO_JUDGE = "no_judge"
    NO_KEY = "no_key"
    NO_OFFER = "no_offer"
    NO_PROVIDER = "no_provider"
    NOT_AT_HUB = "not_at_hub"
    NOT_CONNECTED = "not_connected"
    NOT_FOUND = "not_found"
    NOT_RETURNED = "not_returned"
    PROVIDER_DOWN = "provider_down"
    QUOTA = "quota"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"
    TOKEN_LACKS_RIGHTS = "token_lacks_rights"
    UNCLEAR = "unclear"
    UNKNOWN_PROVIDER = "unknown_provider"
    UNKNOWN_SERVICE = "unknown_service"

    # Machines
    BAD_BOX = "bad_box"
    BAD_HOST_KEY = "bad_host_key"
    COMMAND_FAILED = "command_failed"
    FILE_CHANGED = "file_changed"
    GPU_UNFIT = "gpu_unfit"
    HOST_FILE = "host_file"
    HOST_KEY_CHANGED = "host_key_changed"
    HOST_REFUSED = "host_refused"
    HOST_UNREACHABLE = "host_unreachable"
    MACHINE_BUSY = "machine_busy"
    MACHINE_GONE = "machine_gone"
    MACHINE_LIES = "machine_lies"
    MACHINE_LOST = "machine_lost"
    NO_BOXES = "no_boxes"
    NO_GPUS = "no_gpus"
    NO_GUARD = "no_guard"
    SETUP_FAILED = "setup_failed"
    START_FAILED = "start_failed"
    UNPROTECTED_KEY = "unprotected_key"

    # Training
    BAD_EVENTS = "bad_events"
    BAD_SPEC = "bad_spec"
    CHECKPOINT_MISMATCH = "checkpoint_mismatch"
    DOES_NOT_FIT = "does_not_fit"
    EVENTS_GAP = "events_gap"
    FROZEN = "frozen"
    MEMORY_FULL = "memory_full"
    NOT_FINITE = "not_finite"
    OUT_OF_MEMORY = "out_of_memory"
    PACKING_UNSAFE = "packing_unsafe"
    SAVE_FAILED = "save_failed"
    WORKER_CRASHED = "worker_crashed"
    WORKER_LOST = "worker_lost"

    # Endpoints and the engine
    ANSWER_BROKEN = "answer_broken"
    DEPLOY_FAILED = "deploy_failed"
    ENDPOINT_BUSY = "endpoint_busy"
    ENDPOINT_NOT_PREPARED = "endpoint_not_prepared"
    ENDPOINT_NOT_READY = "endpoint_not_ready"
    ENDPOINT_NOT_WRITABLE = "endpoint_not_writable"
    ENDPOINT_SILENT = "endpoint_silent"
    ENDPOINT_SLOW = "endpoint_slow"
    ENDPOINT_UNREACHABLE = "endpoint_unreachable"
    ENGINE_DOWN = "engine_down"
    ENGINE_SILENT = "engine_silent"
    ENGINE_STUCK = "engine_stuck"
    INTERNAL = "internal"
    INTERNAL_ERROR = "internal_error"
    PORT_TAKEN = "port_taken"
    REQUEST_REFUSED = "request_refused"
    SERVE_EXTRA_MISSING = "serve_extra_missing"
    UNKNOWN_ENGINE = "unknown_engine"
    SERVER_NOT_STARTED = "server_not_started"

    # The store and files
    DAMAGED_DATA = "damaged_data"
    DAMAGED_RECORD = "damaged_record"
    DISK_FULL = "disk_full"
    FILE_DAMAGED = "file_damaged"
    FILE_MISSING = "file_missing"
    FILE_NOT_READABLE = "file_not_readable"
    FILE_NOT_REGULAR = "file_not_regular"
    FILE_TOO_LARGE = "file_too_large"
    HOME_NOT_WRITABLE = "home_not_writable"
    IN_THE_WAY = "in_the_way"
    NEWER_DATA = "newer_data"
    NOT_PERMITTED = "not_permitted"
    NOT_WRITABLE = "not_writable"
    STORE_BUSY = "store_busy"
    TARGET_TAKEN = "target_taken"
    UNREADABLE_RUN = "unreadable_run"

    # What was asked
    AMBIGUOUS_RUN = "ambiguous_run"
    BAD_CHANNEL = "bad_channel"
    BAD_CONFIG = "bad_config"
    BAD_FORM = "bad_form"
    BAD_HUB_DATASET = "bad_hub_dataset"
    BAD_NAME = "bad_name"
    BAD_OPTION = "bad_option"
    BAD_SETTING = "bad_setting"
    BAD_TEMPLATE = "bad_template"
    BAD_TICK = "bad_tick"
    BAD_TRANSITION = "bad_transition"
    IN_USE = "in_use"
    KIND = "kind"
    NO_ESTIMATE = "no_estimate"
    NO_LOG = "no_log"
    NO_SYSTEMD = "no_systemd"
    NO_TERMINAL = "no_terminal"
    NOT_CONFIRMED = "not_confirmed"
    NOT_READY = "not_ready"
    NOT_REGISTERED = "not_registered"
    OBJECTIVE_STAYS_HERE = "objective_stays_here"
    PACKAGES_MISSING = "packages_missing"
    PLUGIN_BROKEN = "plugin_broken"
    PLUGIN_TWICE = "plugin_twice"
    READ_ONLY = "read_only"
    READ_ONLY_KEY = "read_only_key"
    REFUSED = "refused"
    RUN_ACTIVE = "run_active"
    UNKNOWN_ANSWER = "unknown_answer"
    UNKNOWN_CHANNEL = "unknown_channel"
    UNKNOWN_DATASET = "unknown_dataset"
    UNKNOWN_ENDPOINT = "unknown_endpoint"
    UNKNOWN_FORMAT = "unknown_format"
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_OBJECTIVE = "unknown_objective"
    UNKNOWN_RUN = "unknown_run"
    UNKNOWN_SETTING = "unknown_setting"
    UNKNOWN_TEMPLATE = "unknown_template"
    USAGE = "usage"
    WRONG_STATE = "wrong_state"

    @property
    def exit_code(self) -> ExitCode:
        """Of a run that failed for this reason long ago; a live error knows its own."""
        return _EXIT_CODES.get(self, ExitCode.FAILED)

    @property
    def retry_helps(self) -> bool:
        """Whether the same again, later, may succeed with nothing changed."""
        return self in _PASSING


_EXIT_CODES = {
    ErrorKind.NO_FUNDS: ExitCode.BUDGET,
    ErrorKind.BUDGET_TOO_SMALL: ExitCode.BUDGET,
    ErrorKind.BAD_CREDENTIAL: ExitCode.NOT_CONNECTED,
    ErrorKind.MISSING_SCOPE: ExitCode.NOT_CONNECTED,
    ErrorKind.EDGE_BLOCKED: ExitCode.NOT_CONNECTED,
    ErrorKind.PROVIDER_DOWN: ExitCode.NOT_CONNECTED,
    ErrorKind.NOT_CONNECTED: ExitCode.NOT_CONNECTED,
    ErrorKind.MACHINE_BUSY: ExitCode.NO_CAPACITY,
    ErrorKind.NO_CAPACITY: ExitCode.NO_CAPACITY,
    ErrorKind.NO_GOOD_MACHINE: ExitCode.NO_CAPACITY,
}

_PASSING = frozenset(
    {
        ErrorKind.ENDPOINT_BUSY,
        ErrorKind.ENDPOINT_NOT_READY,
        ErrorKind.ENDPOINT_SILENT,
        ErrorKind.ENDPOINT_SLOW,
        ErrorKind.ENGINE_SILENT,
        ErrorKind.HOST_UNREACHABLE,
        ErrorKind.HUB_BUSY,
        ErrorKind.HUB_FAILING,
        ErrorKind.HUB_OFFLINE,
        ErrorKind.HUB_UNREACHABLE,
        ErrorKind.INDEX_UNREACHABLE,
        ErrorKind.JUDGE_BUSY,
        ErrorKind.JUDGE_FAILED,
        ErrorKind.JUDGE_SILENT,
        ErrorKind.JUDGE_UNREACHABLE,
        ErrorKind.LEASE_UNCLEAR,
        ErrorKind.MACHINE_BUSY,
        ErrorKind.MACHINE_GONE,
        ErrorKind.MACHINE_LOST,
        ErrorKind.NO_CAPACITY,
        ErrorKind.NOT_READY,
        ErrorKind.NOT_RETURNED,
        ErrorKind.PRICE_CHANGED,
        ErrorKind.PROVIDER_DOWN,
        ErrorKind.RATE_LIMITED,
        ErrorKind.STARTER_UNREACHABLE,
        ErrorKind.STORE_BUSY,
        ErrorKind.UNCLEAR,
        ErrorKind.WORKER_CRASHED,
        ErrorKind.WORKER_LOST,
    }
)


def exit_code_of(kind: str) -> ExitCode:
    """Return the exit code for a stored reason; a reason that we do not know is a plain failure."""
    return ErrorKind(kind).exit_code if kind in _KNOWN else ExitCode.FAILED


def retry_helps(kind: str) -> bool:
    """Say whether the same again, later, may succeed; a reason that we do not know, such as a plugin's, may pass, too."""
    return kind not in _KNOWN or ErrorKind(kind).retry_helps


_KNOWN = frozenset(map(str, ErrorKind))
