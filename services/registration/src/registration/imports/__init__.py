"""Rosters and forms from spreadsheets: many rows in one file, each decided like a single one. Read in this order:

`files.py` bytes to cells, bounded · `xlsx_reader.py` the part of it that runs in a process of its own · `columns.py` cells to
what the endpoints take, or what is wrong with them · `ledger.py` what was handed in and what became of it · `running.py` row
by row, resumed where it was cut short · `workbooks.py` templates, and refused rows to be corrected.
"""
