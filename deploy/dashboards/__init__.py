"""Dashboards for Grafana, written in Python and committed as JSON: `python -m deploy.dashboards`.

To read: `panels.py` (how a panel looks) · `promql.py` · `event_way.py` · `service.py` · `gate.py` · `business.py` · `police.py`.
"""
