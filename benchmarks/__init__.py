"""What this package costs, beside the floor and the vendor's SDK."""
