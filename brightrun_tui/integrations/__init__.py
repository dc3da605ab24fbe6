"""Services that people connect: credentials, connection tests, the Hub, a judge."""
