"""From the records of a run to the tensors of its micro-batches."""
