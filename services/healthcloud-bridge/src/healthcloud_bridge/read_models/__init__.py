"""Whose declaration is waited for."""
