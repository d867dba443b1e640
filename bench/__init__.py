"""What Gatehouse does in a second, each beside a reference in the same run. `make bench` prints the table.

Read the ratios: machines differ, and this one is shared. Nothing here is asserted.
"""
