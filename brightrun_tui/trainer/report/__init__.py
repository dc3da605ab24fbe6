"""After training: the adapter, its report card, and what is measured for it."""
