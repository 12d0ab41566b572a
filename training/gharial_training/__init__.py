"""The model factory: data, fitting, validation, export, compilation, in that order."""
