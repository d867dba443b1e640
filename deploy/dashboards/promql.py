"""PromQL that is written again and again."""

from __future__ import annotations


def rate(counter: str, by: str = "", where: str = "") -> str:
    """A second, over whatever Grafana shows in one point; summed by labels. `where`: matchers, such as `service="health"`."""
    return f"sum by ({by}) (rate({counter}{{{where}}}[$__rate_interval]))"


def quantile(share: float, histogram: str, by: str = "", where: str = "") -> str:
    """How much the fastest share of them stays below."""
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', f'{by}, le' if by else 'le', where)})"


def behind(by: str) -> str:
    """Events that read models and policies lack of their sources: the most of a partition's, by labels."""
    return (
        f"max by ({by}) (max by (source, partition) (gatehouse_log_position) - on (source, partition) group_right ()"
        " max by (service, subscriber, source, partition) (gatehouse_projection_position))"
    )
