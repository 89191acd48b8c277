"""KooPhone: a module a resource (documents of 2025-08-27 for China, 2025-12-31 internationally)."""
