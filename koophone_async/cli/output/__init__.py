"""What commands print: rows, groups, summaries and progress, as a terminal or a pipe can show them."""
