"""From a micro-batch to its loss and gradients, as fast as the machine can."""
