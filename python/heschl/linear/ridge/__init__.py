"""Ridge regression on moments: a problem, its training sets, a file for each solver (its algebra and its price), the choice among them."""
