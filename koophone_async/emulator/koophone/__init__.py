"""KooPhone: instances, apps, commands, streaming, orders."""
