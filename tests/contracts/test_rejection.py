"""What a refusal carries."""

from contracts.rejection import Rejection


class SiteIsClosed(Rejection):
    """An invented rule."""

    code = "site-is-closed"
    title_zh = "工地已关闭"
    title_en = "The site is closed"


class TestRejection:
    def test_is_answered_with_409_unless_it_says_otherwise(self) -> None:
        assert SiteIsClosed.status == 409

    def test_reads_as_its_title(self) -> None:
        assert str(SiteIsClosed()) == "The site is closed"
