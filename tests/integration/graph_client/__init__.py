"""The way to Graph, over real HTTP to the stand-in: each fault that its users report, and what the client makes of it."""
