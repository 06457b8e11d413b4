from cases.admin import cases, catalogue, log, people

__all__ = ["cases", "catalogue", "log", "people"]
