"""What the business refuses."""

from typing import ClassVar


class Rejection(Exception):
    """A command is refused by a rule. Expected, answered with a 4xx status, never logged as an error.

    One class per refusal, defined where it is raised, named by the sentence that it says::

        class EmployerIsMissing(Rejection):
            \"\"\"People are registered only for firms that the contract names (manual, (三) 2).\"\"\"

            code = "employer-is-missing"
            title_zh = "请先去“合同报送系统”进行合同登记"
            title_en = "Report the employer in the contract system first"

    The docstring names the rule's source. `raise EmployerIsMissing` needs no arguments: what a user may read is in the
    titles, and personal data never travels in an exception.
    """

    code: ClassVar[str]
    """Stable problem type in kebab-case. Clients branch on it; it outlives every wording."""
    status: ClassVar[int] = 409
    """HTTP status of the answer."""
    title_zh: ClassVar[str]
    """What the user reads: the manual's own sentence where it has one."""
    title_en: ClassVar[str]
    """The same in English."""

    def __str__(self) -> str:
        return self.title_en
