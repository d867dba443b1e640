"""The words that staff were trained with: titles, menus, buttons, links, fields and columns, as the manual prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

from tests.portal.browsing import Browser
from tests.portal.stand_ins import CHILD, PERSON, SITE, StandIns, app_of, supervisor

NAMED = {"h1", "h2", "h3", "legend", "a", "button", "label", "th", "dt", "strong", "span"}
UNSEEN = ("sr", "star")
"""Classes of what is not part of the words: said to whoever cannot see, and the mark of a field that has to be filled in."""
SYMPTOMS = "发热 咳嗽 流涕 咽痛 咳痰 胸痛 肌肉酸痛/关节痛 气促 腹泻 无上述异常症状"
DECLARED = "上报地址 上报时间 体温 健康状况 出行时间 出行方式 是否湖北出发 是否武汉出发 是否经停 停留地点 居住地址"

ON_A_SITE: Mapping[str, str] = {
    "/": "建设管理服务 作业人员实名制 现场管理人员实名制 作业人员进退场登记 现场管理人员进退场登记 实名制作业人员信息查询",
    "/login": "建设工程现场用户统一登录平台 个人身份证号 手机号 验证码 获取验证码 登录",
    "/contracts": "选择合同 报建编号 总包单位 所在监督站",
    f"{SITE}/epidemic-control": "工地疫情防控信息 疫情防控小组 姓名 职责 联系电话 对口医院 防疫物资 物资名称 单位 数量 提交 "
    "上传建筑工地复工检查表",
    f"{SITE}/pre-registrations": "进场预登记 查看 携带家属 每日健康 处置方式",
    f"{SITE}/pre-registrations/new": "预进场登记 个人信息 身份证号 姓名 出发地 到沪日期 获取健康云信息 "
    "用工信息 用人单位 合同报送编号 项目名称 手机号 工种 作业人员 现场管理人员 提交",
    f"{SITE}/pre-registrations/{PERSON}/family-members": "预进场家属管理 携带家属登记 查看",
    f"{SITE}/pre-registrations/{PERSON}/family-members/new": "携带家属登记 身份证号 姓名 获取健康云信息 手机号",
    f"{SITE}/people/{PERSON}/health-reports": "每日健康状况 新增健康状态 日期 健康状况 体温测量",
    f"{SITE}/people/{PERSON}/health-reports/new": f"新增健康状况 日期 健康状况 {SYMPTOMS} 体温测量(℃) 提交",
    f"{SITE}/people/{CHILD}/health-reports/new?accompanies={PERSON}": f"新增健康状况 {SYMPTOMS}",
    f"{SITE}/people/{PERSON}/dispositions": "人员防疫处置情况填写 身份证号 姓名 手机号 处置方式 可进场 需隔离 疑似 确诊 "
    "隔离/就医时间(开始) 隔离/就医时间(结束) 隔离/就医方式 提交",
    f"{SITE}/entries": "进场登记 身份证号",
    f"{SITE}/exits": "退场登记 身份证号",
}
OF_SUPERVISION: Mapping[str, str] = {
    "/supervision/login": "监督管理人员登录 账号 密码 登录",
    "/supervision/contracts": "实名制作业人员信息查询 首页 合同查询 用工查询 统计信息： 合同信息 合同报送编号 项目名称 总包单位 "
    "所在监督站 报建编号 总包单位类型 用人单位(数量) 预登记人(数量) 用人员(在场数/总数) 详情 查看",
    "/supervision/employments": "实名制作业人员信息查询 首页 合同查询 用工查询 工种 在场 处置方式 预登记时间",
}
"""Page → its title, and what else is read on it."""


@dataclass
class Words(HTMLParser):
    """What can be read in whatever has a name on a page, and what stands in its menu."""

    read: list[tuple[str, str]] = field(default_factory=list)
    """Element and words, in the page's order of their ends."""
    menu: list[str] = field(default_factory=list)
    _open: list[tuple[str, bool, list[str]]] = field(default_factory=list)

    VOID = frozenset({"input", "br", "link", "meta", "img", "hr"})

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, page: str) -> Words:
        words = cls()
        words.feed(page)
        return words

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            is_unseen = any(name == "class" and value in UNSEEN for name, value in attrs)
            self._open.append((tag, is_unseen, []))

    def handle_data(self, data: str) -> None:
        seen = list[list[str]]()
        for _, is_unseen, words in self._open:
            if is_unseen:
                return
            seen.append(words)
        for words in seen:
            words.append(data)

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            element, _, told = self._open.pop()
            words = " ".join("".join(told).split())
            if element in NAMED and words:
                self.read.append((element, words))
                if any(each == "nav" for each, _, _ in self._open):
                    self.menu.append(words)
            if element == tag:
                break

    @property
    def heading(self) -> str:
        return next(words for element, words in self.read if element == "h1")


@pytest.mark.parametrize("path", ON_A_SITE)
async def test_a_site_reads_what_the_manual_prints(services: StandIns, path: str) -> None:
    assert [] == missing(ON_A_SITE[path], await opened(Browser(app_of(services)), path))


@pytest.mark.parametrize("path", OF_SUPERVISION)
async def test_supervision_reads_what_the_manual_prints(services: StandIns, path: str) -> None:
    assert [] == missing(OF_SUPERVISION[path], await opened(Browser(app_of(services, supervisor)), path))


async def test_what_health_cloud_answered_is_read_line_by_line(services: StandIns) -> None:
    browser = Browser(app_of(services))
    await browser.open(f"{SITE}/pre-registrations/new")
    page = await browser.submit(f"{SITE}/pre-registrations/declaration", document_number="420106199007250153", name="吴远江")
    told = [words for _, words in Words.of(page.text).read]
    below = told[told.index("健康云返回信息") + 1 :]
    assert DECLARED.split() == [words for words in below if words in DECLARED.split()][: len(DECLARED.split())], "in its order"


async def test_symptoms_stand_in_the_order_of_the_form(services: StandIns) -> None:
    page = await opened(Browser(app_of(services)), f"{SITE}/people/{PERSON}/health-reports/new")
    assert SYMPTOMS.split() == [words for element, words in page.read if element == "label" and words in SYMPTOMS.split()]


async def test_menus_are_where_they_were(services: StandIns) -> None:
    site = await opened(Browser(app_of(services)), f"{SITE}/pre-registrations")
    under = site.menu.index("工地疫情防控管理")
    for item in ("工地疫情防控信息", "进场预登记"):
        assert under < site.menu.index(item) < site.menu.index("进场登记") < site.menu.index("退场登记")
    supervision = await opened(Browser(app_of(services, supervisor)), "/supervision/contracts")
    assert ["实名制和台账管理", "实名制作业人员信息查询"] == supervision.menu[:2]


async def opened(browser: Browser, path: str) -> Words:
    answer = await browser.open(path)
    assert 200 == answer.status_code
    return Words.of(answer.text)


def missing(expected: str, page: Words) -> list[str]:
    title, *others = expected.split()
    assert title == page.heading
    read = {words for _, words in page.read}
    return [each for each in others if each not in read]
