"""The manual's exact words for codes, and our own where it has none."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.access import Role
from contracts.districts import DISTRICTS
from contracts.invalid import TITLES, Flaw, Titles
from contracts.symptoms import SYMPTOM_LABELS
from contracts.trades import TRADES
from portal.languages import CHINESE, _

ROLES: Mapping[str, str] = {
    Role.PROJECT_LEAD: _("施工总包项目负责人"),
    Role.SITE_OPERATOR: _("施工总包现场操作用户"),
    Role.EMPLOYER_REGISTRAR: _("用工单位登记管理人员"),
    Role.SUPERVISION_LEAD: _("监理项目负责人"),
    Role.SUPERVISION_OPERATOR: _("监理现场操作用户"),
    Role.GATE_DEVICE: _("闸机"),
    Role.STATION_OFFICER: _("监督站监督管理人员"),
    Role.DISTRICT_SUPERVISOR: _("区监督管理人员"),
    Role.CITY_SUPERVISOR: _("市住建委监督管理人员"),
    Role.OPS: _("运维人员"),
}
GRANTED_ROLES: Mapping[str, str] = {each: ROLES[each] for each in (Role.SITE_OPERATOR, Role.EMPLOYER_REGISTRAR)}
PROVINCES: Mapping[str, str] = {
    "110000": _("北京市"),
    "120000": _("天津市"),
    "130000": _("河北省"),
    "140000": _("山西省"),
    "150000": _("内蒙古自治区"),
    "210000": _("辽宁省"),
    "220000": _("吉林省"),
    "230000": _("黑龙江省"),
    "310000": _("上海市"),
    "320000": _("江苏省"),
    "330000": _("浙江省"),
    "340000": _("安徽省"),
    "350000": _("福建省"),
    "360000": _("江西省"),
    "370000": _("山东省"),
    "410000": _("河南省"),
    "420000": _("湖北省"),
    "430000": _("湖南省"),
    "440000": _("广东省"),
    "450000": _("广西壮族自治区"),
    "460000": _("海南省"),
    "500000": _("重庆市"),
    "510000": _("四川省"),
    "520000": _("贵州省"),
    "530000": _("云南省"),
    "540000": _("西藏自治区"),
    "610000": _("陕西省"),
    "620000": _("甘肃省"),
    "630000": _("青海省"),
    "640000": _("宁夏回族自治区"),
    "650000": _("新疆维吾尔自治区"),
    "710000": _("台湾省"),
    "810000": _("香港特别行政区"),
    "820000": _("澳门特别行政区"),
}
"""GB/T 2260, the first level."""
PERSON_KINDS: Mapping[str, str] = {"worker": _("作业人员"), "manager": _("现场管理人员")}
DOCUMENT_TYPES: Mapping[str, str] = {
    "citizen_id": _("居民身份证"),
    "hk_macau_permit": _("港澳居民来往内地通行证"),
    "taiwan_permit": _("台湾居民来往大陆通行证"),
    "permanent_residence": _("外国人永久居留身份证"),
    "passport": _("护照"),
}
DOCUMENT_NUMBERS: Mapping[str, str] = {
    **dict.fromkeys(DOCUMENT_TYPES, _("证件号码")),
    "citizen_id": _("身份证号"),
}
YES_OR_NO: Mapping[str, str] = {"true": _("是"), "false": _("否")}
PRE_REGISTRATION_STATES: Mapping[str, str] = {
    "open": _("已预登记"),
    "awaiting": _("等待健康云登记"),
    "closed": _("已退场"),
    "withdrawn": _("已撤回"),
}
WAITS_FOR: Mapping[str, str] = {
    "declaration": _("没有健康云登记"),
    "agreeing_name": _("姓名与健康云登记不一致"),
    "mobile": _("没有手机号"),
}
WHAT_ENDS_WAITING: Mapping[str, str] = {
    "declaration": _("请通知本人完成健康云登记,登记后自动完成预登记。"),
    "agreeing_name": _("请核对证件。预登记填错的,请用正确姓名重新预登记;健康云填错的,请本人重新登记,之后自动完成。"),
    "mobile": _("请重新预登记,并填写手机号。"),
}
SUPPLIES_TOLD: Mapping[str, str] = {"submitted": _("提交"), "counted": _("清点")}
DISPOSITIONS: Mapping[str, str] = {
    "admissible": _("可进场"),
    "quarantine_required": _("需隔离"),
    "suspected": _("疑似"),
    "confirmed": _("确诊"),
}
ISOLATION_METHODS: Mapping[str, str] = {
    "home": _("居家隔离"),
    "central": _("集中隔离"),
    "on_site": _("工地隔离"),
    "hospital": _("定点医院就医"),
}
DISPOSITION_REASONS: Mapping[str, str] = {
    "contact_of_a_case": _("与病例有接触"),
    "symptoms_observed": _("发现症状"),
    "test_positive": _("检测阳性"),
    "authority_notice": _("主管部门通知"),
    "contact_ruled_out": _("已排除接触"),
    "isolation_completed": _("隔离期满"),
    "recovered": _("已治愈"),
    "entered_by_mistake": _("登记有误"),
    "other": _("其他"),
}
LIFTING_REASONS: Mapping[str, str] = {
    code: DISPOSITION_REASONS[code]
    for code in ("contact_ruled_out", "isolation_completed", "recovered", "entered_by_mistake", "authority_notice", "other")
}
TEMPERATURE_METHODS: Mapping[str, str] = {"axillary": _("腋下"), "forehead": _("额温")}
ROUND_REFUSALS: Mapping[str, str] = {
    "not-found": _("不在本合同的名单中,请刷新本页"),
    "reading-is-in-the-future": _("测量时间晚于当前时间"),
    "": _("未能登记,请单独登记"),
}
"""Why one of a team was not reported."""
READING_SOURCES: Mapping[str, str] = {"registrar": _("人工登记"), "gate": _("闸机"), "declaration": _("健康云")}
HOLDS: Mapping[str, str] = {"fever": _("发热"), "symptoms": _("有症状")}
SYMPTOMS: Mapping[str, str] = {symptom.value: words for symptom, words in SYMPTOM_LABELS.items()}
TRADE_NAMES: Mapping[str, str] = TRADES

REASONS: Mapping[str, str] = {
    "not_pre_registered": _("未在本合同预登记"),
    "quarantine_required": _("需隔离"),
    "suspected": _("疑似"),
    "confirmed": _("确诊"),
    "arrival_not_assessed": _("来沪评估尚未完成"),
    "travel_unclear": _("行程不明"),
    "isolation_not_completed": _("隔离期未满"),
    "fever": _("体温达到发热标准"),
    "symptoms": _("有异常症状"),
    "no_report_today": _("今天还没有健康登记"),
    "already_entered": _("已在场"),
    "on_site_elsewhere": _("在其他合同在场"),
    "not_entered": _("未进场登记"),
    "history_unreadable": _("记录无法读取"),
    "state_stale": _("系统暂时无法确认最新状态"),
}
WHAT_CLEARS: Mapping[str, str] = {
    "pre_registration": _("先完成进场预登记"),
    "disposition_admissible": _("由监理或施工单位把处置方式改为“可进场”"),
    "arrival_assessment": _("评估很快自动完成,请稍后再登记"),
    "answer_to_questions": _("核实停留地点"),
    "end_of_isolation": _("隔离期满"),
    "normal_reading": _("至少 5 分钟后重新测量,体温正常"),
    "report_without_symptoms": _("新的健康登记无异常症状"),
    "health_report_today": _("登记今天的健康状况"),
    "exit": _("无需再次登记"),
    "exit_elsewhere": _("在另一合同办理退场登记"),
    "entry": _("先办理进场登记"),
    "operator": _("请拨打咨询电话"),
    "fresh_state": _("请稍后再试;紧急时由两人书面决定,事后补录"),
}
ISOLATION_REASONS: Mapping[str, str] = {
    "key_area_origin": _("出发地为重点地区"),
    "key_area_declared": _("健康云登记为重点地区出发"),
    "key_area_stopover": _("停留地点为重点地区"),
}
QUESTIONS: Mapping[str, str] = {"stopover_unknown": _("停留地点不明,待核实")}
ENTRY_KINDS: Mapping[str, str] = {"entry": _("进场登记"), "gate_pass": _("过闸")}
CONTRADICTIONS: Mapping[str, str] = {
    "temperature_unreadable": _("体温无法识别"),
    "departure_unreadable": _("出行时间无法识别"),
    "mobile_unreadable": _("手机号无法识别"),
    "from_hubei_unreadable": _("是否湖北出发无法识别,按“是”处理"),
    "from_wuhan_unreadable": _("是否武汉出发无法识别,按“是”处理"),
    "stopover_unreadable": _("是否经停无法识别,按“是”处理"),
    "temperature_implausible": _("体温数值不合理"),
    "temperature_against_health_text": _("体温达到发热标准,健康状况却为无异常症状"),
    "report_place_against_travel": _("上报地址与出行方式不符"),
    "report_before_departure": _("上报时间早于出行时间"),
    "report_in_the_future": _("上报时间晚于今天"),
    "wuhan_against_hubei": _("武汉出发为“是”,湖北出发却为“否”"),
    "stopover_against_place": _("是否经停为“否”,却有停留地点"),
    "origin_against_stopover": _("停留地点就是出发地"),
}
REVIEW_KINDS: Mapping[str, str] = {
    "declaration_contradicts": _("健康云登记内容有矛盾"),
    "declaration_differs": _("健康云有新登记,行程不同"),
    "entered_though_withdrawn": _("预登记已撤回,人员已进场"),
}
DIFFERENCES: Mapping[str, str] = {
    "departed_on": _("出行时间"),
    "from_hubei": _("是否湖北出发"),
    "from_wuhan": _("是否武汉出发"),
    "stopover": _("是否经停"),
    "stopover_code": _("停留地点"),
    "name": _("姓名"),
}
"""What of two declarations is compared."""

PAPER_FINDINGS: Mapping[str, str] = {
    "against_the_rules": _("违反规定放行"),
    "emergency": _("抢险、救护等紧急情况"),
    "facts_came_late": _("当时符合规定,登记晚于进场"),
    "recorded_wrongly": _("补录内容有误"),
}
"""核实结论 of an entry on paper against the rules."""
PAPER_MEASURES: Mapping[str, str] = {
    "none": _("无需处理"),
    "person_left": _("人员已退场"),
    "person_isolated": _("人员已隔离"),
    "site_instructed": _("已责令工地整改"),
    "handed_over": _("已移送查处"),
}
"""处理措施."""

REVEAL_REASONS: Mapping[str, str] = {
    "case_investigation": _("流行病学调查"),
    "on_site_inspection": _("现场检查"),
    "complaint": _("信访投诉"),
    "data_correction": _("信息更正"),
    "legal_request": _("依法调取"),
}
ACCESS_PURPOSES: Mapping[str, str] = {
    "masked_page": _("列表中脱敏显示"),
    "reveal": _("显示完整信息"),
    "process": _("按规则处理"),
    "share": _("共享给主管部门"),
}
CHANGES: Mapping[str, str] = {
    "declaration-received": _("健康云登记"),
    "declaration-awaited": _("进场预登记待健康云登记"),
    "form-withdrawn": _("撤回待登记表单"),
    "person-pre-registered": _("进场预登记"),
    "person-details-corrected": _("更正预登记信息"),
    "pre-registration-withdrawn": _("撤回进场预登记"),
    "pre-registration-closed": _("预登记因退场结束"),
    "family-declaration-awaited": _("携带家属登记待健康云登记"),
    "family-member-pre-registered": _("携带家属登记"),
    "family-details-corrected": _("更正家属信息"),
    "family-member-withdrawn": _("撤回家属登记"),
    "roster-member-imported": _("导入旧实名制名册"),
    "review-item-settled": _("待核事项已处理"),
    "person-linked": _("证件关联"),
    "person-unlinked": _("解除证件关联"),
    "person-erased": _("个人信息已删除"),
    "arrival-assessed": _("来沪评估"),
    "isolation-ordered": _("隔离要求"),
    "isolation-order-withdrawn": _("撤销隔离要求"),
    "travel-clarified": _("核实行程"),
    "health-reported": _("每日健康"),
    "health-hold-placed": _("因健康状况暂不放行"),
    "health-hold-withdrawn": _("健康状况恢复放行"),
    "disposition-changed": _("处置方式"),
    "ban-reviewed": _("复核处置"),
    "ban-objected": _("登记申诉"),
    "entry-attempted": _("进场登记"),
    "paper-entry-recorded": _("纸面放行补录"),
    "paper-entry-settled": _("纸面放行已核实"),
    "exit-registered": _("退场登记"),
}
"""What stands in a person's own record, by the name of the fact."""
CORRECTIONS: Mapping[str, str] = {
    **CHANGES,
    "report": _("更正每日健康"),
    "travel": _("核实行程"),
    "isolation_order": _("撤销隔离要求"),
}
"""What was put right: of health by a word of its own, of registration by the name of the fact."""
CORRECTED_FIELDS: Mapping[str, str] = {
    "name": _("姓名"),
    "mobile": _("手机号"),
    "relation": _("与随行人员的关系"),
    "origin_code": _("出发地"),
    "origin": _("出发地"),
    "arrival_date": _("到沪日期"),
    "person_kind": _("人员类别"),
    "trade": _("工种"),
    "employer_credit_code": _("用人单位"),
    "declaration_version": _("所依据的健康云上报(次数)"),
}
HAPPENED: Mapping[str, str] = {
    "pre_registered": _("进场预登记"),
    "entered": _("进场"),
    "refused": _("拒绝进场"),
    "exited": _("退场"),
}
"""What 走势 counts of a day."""
SERVICES: Mapping[str, str] = {
    "registration": _("登记"),
    "health": _("健康"),
    "gatekeeper": _("门禁"),
    "reporting": _("监督查询"),
    "healthcloud_bridge": _("健康云"),
    "healthcloud-bridge": _("健康云"),
    "police_bridge": _("公安"),
    "police-bridge": _("公安"),
}
CONTRADICTED: Mapping[str, tuple[str, ...]] = {
    "temperature_unreadable": ("temperature",),
    "departure_unreadable": ("departed_on",),
    "from_hubei_unreadable": ("from_hubei",),
    "from_wuhan_unreadable": ("from_wuhan",),
    "stopover_unreadable": ("stopover",),
    "temperature_implausible": ("temperature",),
    "temperature_against_health_text": ("temperature", "health_text"),
    "report_place_against_travel": ("report_place", "travel"),
    "report_before_departure": ("reported_on", "departed_on"),
    "report_in_the_future": ("reported_on",),
    "wuhan_against_hubei": ("from_hubei", "from_wuhan"),
    "stopover_against_place": ("stopover", "stopover_place"),
    "origin_against_stopover": ("stopover_place",),
}
"""Contradiction → the lines of 健康云返回信息 that it lies between."""

IMPORT_KINDS: Mapping[str, str] = {"pre-registration": _("进场预登记"), "roster": _("旧实名制名册")}
ROW_OUTCOMES: Mapping[str, str] = {
    "waiting": _("等待处理"),
    "applied": _("已登记"),
    "unchanged": _("以前已登记"),
    "awaiting": _("等待健康云登记"),
    "refused": _("有误"),
}
ROW_REFUSALS: Mapping[str, str] = {
    "invalid-request": _("内容有误"),
    "employer-is-missing": _("请先去“合同报送系统”进行合同登记"),
    "declaration-missing": _("请先去“健康云 APP”进行登记后再进行预进场登记"),
    "declaration-has-changed": _("健康云登记有更新,请再次导入"),
    "name-differs-from-declaration": _("姓名与“健康云”登记不一致"),
    "mobile-is-missing": _("“健康云”未登记手机号,请填写手机号"),
    "person-is-registered-otherwise": _("该人员已在本合同以其他身份登记"),
    "person-is-on-too-many-contracts": _("该人员登记的合同数量已达上限"),
    "person-is-erased": _("该人员的个人信息已删除"),
}

POLICY_AUTHORITIES: Mapping[str, str] = {"city": _("全市"), "district": _("区"), "site": _("工地")}
DISTRICT_NAMES: Mapping[str, str] = DISTRICTS
FEVER_OPERATORS: Mapping[str, str] = {">=": _("达到或超过"), ">": _("超过")}
SWITCHES: Mapping[str, str] = {"forbid": _("禁止"), "remind": _("提醒"), "off": _("不管")}
SWITCHED_RULES: Mapping[str, str] = {rule: REASONS[rule] for rule in ("fever", "symptoms", "no_report_today", "on_site_elsewhere")}

FINDINGS: Mapping[str, str] = {
    "away": _("没有应答"),
    "parked": _("有数据流等待处理"),
    "halted": _("有分区停止读取"),
    "unpublished": _("事件没有送达 Kafka"),
    "behind": _("读取落后超过两分钟"),
    "unheld": _("有工作无人承担"),
    "gate_stale": _("闸机所见不新鲜,一律拒绝"),
    "rebuild_silent": _("重建中断"),
}
"""What is wrong with a service, see `pages/operations.py`."""


def label_of(labels: Mapping[str, str], code: str | None) -> str:
    """The words for a code; a code that is newer than this portal is shown as it is, and none as a dash."""
    return "—" if code is None else labels.get(code, code)


def flaw_title(code: str, language: str) -> str:
    """What is wrong with a value, for the user."""
    if code in Flaw.__members__.values():
        titles = TITLES[Flaw(code)]
        return titles.zh if language == CHINESE else titles.en
    titles = _OTHER_FLAWS.get(code, _OTHER_FLAWS[""])
    return titles.zh if language == CHINESE else titles.en


_OTHER_FLAWS: Mapping[str, Titles] = {
    "missing": Titles("请填写", "Required"),
    "": Titles("填写有误", "Not valid"),
}
"""pydantic's own codes."""
