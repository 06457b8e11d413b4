"""Outside services played by real servers on this machine."""
