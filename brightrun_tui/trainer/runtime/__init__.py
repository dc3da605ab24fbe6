"""The worker as a process: what it says, what is asked of it, how it fails, what its machine does."""
