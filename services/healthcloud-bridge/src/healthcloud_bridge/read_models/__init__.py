"""Whose declaration is waited for, and whose next one."""
