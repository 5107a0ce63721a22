"""The report of a run: one page that works offline, and its pictures as files beside it."""
