"""Local services: one XEP per file, each an `ILocalHandler` (docs/handlers.md)."""
