"""Features of a study: extracted once, kept, brought to the grid."""
