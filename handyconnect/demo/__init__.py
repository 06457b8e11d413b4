"""A living demo: the mailbox of a property management firm that does not exist.

Data and pure builders only: what stands here knows no database and no clock. All addresses are reserved for examples.
"""
