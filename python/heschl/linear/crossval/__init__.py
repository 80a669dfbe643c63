"""Cross-validation: the path of penalties, the choice among them, scores, nested folds."""
