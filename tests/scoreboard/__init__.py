"""How the product does on mails that nobody here wrote: one row for each corpus (`make scoreboard`)."""
