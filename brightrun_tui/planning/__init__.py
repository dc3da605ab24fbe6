"""Template, data, base and machine become settings, an estimate and checks; then a specification."""
