"""What kind of person stands on a list."""

from enum import StrEnum


class PersonKind(StrEnum):
    """On what footing somebody works on a site."""

    WORKER = "worker"  # 作业人员; has a trade
    MANAGER = "manager"  # 现场管理人员


class ArrivalKind(StrEnum):
    """What the police is told somebody came as."""

    WORKER = "worker"
    MANAGER = "manager"
    FAMILY = "family"  # 携带家属; never admitted to a site
