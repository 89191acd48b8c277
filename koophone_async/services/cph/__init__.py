"""CPH, Cloud Phone (Server): a module a resource (documents of 2020-07-30 and 2025-02-08)."""
