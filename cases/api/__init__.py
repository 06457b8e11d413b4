"""The cases of the house over HTTP."""
