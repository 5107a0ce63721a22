"""Reports: one page, one style, and plots that need no plotting library."""
