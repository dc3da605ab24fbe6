"""The terminal app: four screens over one snapshot of the store."""
