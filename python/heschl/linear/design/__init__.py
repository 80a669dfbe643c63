"""The lagged design, never built: segments and rows, features as given, features as the core sees them."""
