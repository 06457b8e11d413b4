"""Where every number comes from. Each function takes the time, the period and the reader, and answers plain data.

One number has one function: whoever shows it, asks here.
"""
