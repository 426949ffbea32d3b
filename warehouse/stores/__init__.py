"""The only room that knows a database: one protocol a port, one module an adapter."""
