"""Finding, renting, describing and returning machines: one file for each provider."""
