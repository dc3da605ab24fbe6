"""SQLite: schema, migrations, queries. The only room that knows SQL.

Every module holds plain async functions that take a `Database`: ``runs``, ``metrics``, ``requests``,
``models``, ``endpoints``, ``datasets``, ``leases``, ``engine``.
"""

from brightrun_tui.store.db import Database
from brightrun_tui.store.opening import open_database

__all__ = ["Database", "open_database"]
