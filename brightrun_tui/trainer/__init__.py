"""The worker that trains one run: QLoRA from its run directory. Started as a process, imported by nobody."""
