"""The schema, as a list of migrations. Append only: a released migration is never edited.

Objects of the domain are kept as their JSON in ``doc``; a column exists beside it where a query needs one.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, created_at REAL NOT NULL,
            updated_at REAL NOT NULL, doc TEXT NOT NULL)""",
        "CREATE INDEX runs_by_state ON runs (state)",
        """CREATE TABLE events (
            run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, seq INTEGER NOT NULL, time REAL NOT NULL,
            kind TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (run_id, seq)) WITHOUT ROWID""",
        """CREATE TABLE metrics (
            change INTEGER PRIMARY KEY AUTOINCREMENT,
            run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, name TEXT NOT NULL, step INTEGER NOT NULL,
            value REAL, time REAL NOT NULL, UNIQUE (run_id, name, step) ON CONFLICT REPLACE)""",
        """CREATE TABLE requests (
            id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, target TEXT NOT NULL, payload TEXT NOT NULL,
            created_at REAL NOT NULL, state TEXT NOT NULL DEFAULT 'pending', result TEXT NOT NULL DEFAULT '{}',
            handled_at REAL)""",
        "CREATE INDEX requests_by_state ON requests (state)",
        """CREATE TABLE model_versions (
            name TEXT NOT NULL, version INTEGER NOT NULL, run_id TEXT NOT NULL, created_at REAL NOT NULL,
            state TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (name, version))""",
        "CREATE UNIQUE INDEX model_versions_by_run ON model_versions (run_id)",
        """CREATE TABLE aliases (
            name TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL, moved_at REAL NOT NULL,
            PRIMARY KEY (name, alias), FOREIGN KEY (name, version) REFERENCES model_versions (name, version))""",
        """CREATE TABLE endpoints (
            id TEXT PRIMARY KEY, model TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL,
            created_at REAL NOT NULL, doc TEXT NOT NULL)""",
        """CREATE TABLE datasets (
            name TEXT PRIMARY KEY, path TEXT NOT NULL, fingerprint TEXT NOT NULL, added_at REAL NOT NULL,
            doc TEXT NOT NULL)""",
        """CREATE TABLE leases (
            name TEXT PRIMARY KEY, run_id TEXT NOT NULL, provider TEXT NOT NULL, state TEXT NOT NULL,
            created_at REAL NOT NULL, doc TEXT NOT NULL)""",
        """CREATE TABLE ledger (
            id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, run_id TEXT NOT NULL, lease TEXT NOT NULL,
            kind TEXT NOT NULL, amount_usd REAL NOT NULL, note TEXT NOT NULL DEFAULT '')""",
        """CREATE TABLE services (
            name TEXT PRIMARY KEY, state TEXT NOT NULL, detail TEXT NOT NULL, checked_at REAL NOT NULL)""",
    ),
    (
        """CREATE TABLE notifications (
            id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, time REAL NOT NULL, kind TEXT NOT NULL,
            level TEXT NOT NULL, code TEXT NOT NULL, run_id TEXT NOT NULL, run_name TEXT NOT NULL, model TEXT NOT NULL,
            message TEXT NOT NULL, read_at REAL)""",
        """CREATE TABLE deliveries (
            notification INTEGER NOT NULL REFERENCES notifications (id) ON DELETE CASCADE, channel TEXT NOT NULL,
            state TEXT NOT NULL, time REAL NOT NULL, PRIMARY KEY (notification, channel)) WITHOUT ROWID""",
        "ALTER TABLE services ADD COLUMN facts TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE services ADD COLUMN fix TEXT NOT NULL DEFAULT ''",
    ),
    (
        """CREATE TABLE metric_buckets (
            run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, name TEXT NOT NULL, bucket INTEGER NOT NULL,
            step INTEGER NOT NULL, low REAL, high REAL, mean REAL, count INTEGER NOT NULL, time REAL NOT NULL,
            PRIMARY KEY (run_id, name, bucket)) WITHOUT ROWID""",
        """INSERT INTO metric_buckets SELECT run_id, name, step / 256, min(step), min(value), max(value), avg(value),
            count(*), min(time) FROM metrics GROUP BY run_id, name, step / 256""",
        "CREATE INDEX metric_gaps ON metrics (run_id, name, step) WHERE value IS NULL",
        "CREATE TABLE run_notes (run_id TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE, note TEXT NOT NULL)",
    ),
    (
        """CREATE TABLE corrections (
            id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, created_at REAL NOT NULL, doc TEXT NOT NULL)""",
        "CREATE INDEX corrections_by_model ON corrections (model)",
    ),
    (
        """CREATE TABLE evaluations (
            run_id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, created_at REAL NOT NULL,
            doc TEXT NOT NULL)""",
        "CREATE INDEX evaluations_by_version ON evaluations (name, version)",
    ),
    (
        "ALTER TABLE leases ADD COLUMN endpoint_id TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE ledger ADD COLUMN endpoint_id TEXT NOT NULL DEFAULT ''",
    ),
)
