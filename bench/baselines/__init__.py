"""What a user would write without heschl, by topic: NumPy (plain and with care), numba, and the field's packages."""
