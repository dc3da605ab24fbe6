"""What several verbs use: printing, the session with the store, following, asking the engine."""
