import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.conditions import (
    MAX_DEPTH,
    MAX_LEAVES,
    MAX_TEXT,
    MAX_VALUES,
    Catalogue,
    Field,
    InvalidConditions,
    Kind,
    Outcome,
    evaluate,
    parse,
)

PRIORITIES = tuple((name, name.title()) for name in ("low", "medium", "high", "urgent", "critical"))
CATALOGUE = Catalogue(
    [
        Field("case.priority", Kind.CHOICE, "Priority", PRIORITIES),
        Field("case.sla_status", Kind.CHOICE, "SLA status", (("on_time", "On Time"), ("breached", "Breached"))),
        Field("case.title", Kind.TEXT, "Title"),
        Field("case.escalation_level", Kind.NUMBER, "Escalation level"),
        Field("case.due", Kind.DATETIME, "Due"),
        Field("case.tags", Kind.LIST, "Tags"),
        Field("case.assigned_to", Kind.REFERENCE, "Assigned to"),
        Field("message.has_attachments", Kind.BOOL, "Has attachments"),
    ]
)


def leaf(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op} if value is None else {"field": field, "op": op, "value": value}


def outcome(conditions: dict[str, Any], **facts: Any) -> Outcome:
    return evaluate(parse(conditions, CATALOGUE), {f"case.{name}": fact for name, fact in facts.items()})


def holds(field: str, op: str, value: Any, fact: Any) -> bool:
    return evaluate(parse({"all": [leaf(field, op, value)]}, CATALOGUE), {field: fact}).matched


def errors(conditions: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidConditions) as caught:
        parse(conditions, CATALOGUE)
    return caught.value.errors


HIGH = leaf("case.priority", "is", "high")
LATE = leaf("case.sla_status", "is", "breached")


class TestGroups:
    @pytest.mark.parametrize(
        ("priority", "sla_status", "all_", "any_", "none"),
        [
            ("high", "breached", True, True, False),
            ("high", "on_time", False, True, False),  # not(A and B) would be true here; none-of is not
            ("low", "breached", False, True, False),
            ("low", "on_time", False, False, True),
        ],
    )
    def test_bind_their_members(self, priority: str, sla_status: str, all_: bool, any_: bool, none: bool) -> None:
        facts = {"priority": priority, "sla_status": sla_status}
        assert outcome({"all": [HIGH, LATE]}, **facts).matched is all_
        assert outcome({"any": [HIGH, LATE]}, **facts).matched is any_
        assert outcome({"none": [HIGH, LATE]}, **facts).matched is none
        assert outcome({"none": [{"all": [HIGH, LATE]}]}, **facts).matched is not all_, "not(A and B), spelt out"

    @pytest.mark.parametrize("how", ["all", "any", "none"])
    def test_are_false_when_empty(self, how: str) -> None:
        assert not outcome({how: []}, priority="high").matched
        assert not outcome({"all": [HIGH, {how: []}]}, priority="high").matched

    def test_of_an_empty_group_within_none_are_true(self) -> None:
        assert outcome({"none": [{"none": []}]}).matched

    def test_nest(self) -> None:
        tree = {"all": [{"any": [HIGH, LATE]}, {"none": [leaf("case.title", "contains", "spam")]}]}
        assert outcome(tree, priority="high", title="Water").matched
        assert not outcome(tree, priority="high", title="SPAM!").matched


class TestOutcome:
    def test_tells_every_comparison_with_the_facts_as_they_stood(self) -> None:
        tree = {"any": [HIGH, {"none": [leaf("case.tags", "has_any", ["vip"]), leaf("case.title", "is_empty")]}]}
        found = outcome(tree, priority="high", tags=["vip", "water"])
        assert found.matched
        assert [(why.path, why.fact, why.matched) for why in found.why] == [
            ("conditions.any[0]", "high", True),
            ("conditions.any[1].none[0]", ["vip", "water"], True),
            ("conditions.any[1].none[1]", None, True),
        ]

    def test_can_be_stored_as_json(self) -> None:
        found = evaluate(
            parse({"any": [leaf("case.due", "is_set"), leaf("case.tags", "is_set"), HIGH]}, CATALOGUE),
            {"case.due": datetime(2026, 3, 24, 9, tzinfo=UTC), "case.tags": {"b", "a"}, "case.priority": object},
        ).as_dict()
        assert found["matched"] is True
        assert [why["fact"] for why in found["why"]] == ["2026-03-24T09:00:00+00:00", ["a", "b"], "<class 'object'>"]
        assert json.loads(json.dumps(found)) == found


class TestOperators:
    @pytest.mark.parametrize(
        ("field", "op", "value", "yes", "no"),
        [
            ("case.title", "is", "Wasserschaden", ["wasserschaden", " WASSERSCHADEN "], ["Wasser", "", None, 5]),
            ("case.title", "is", "Straße", ["STRASSE", "straße"], ["Strase"]),
            ("case.title", "is", "Müller", ["Mu\N{COMBINING DIAERESIS}ller"], ["Muller"]),
            ("case.title", "in", ["Heating", "Water"], ["water"], ["waters", ""]),
            ("case.title", "contains", "LEAK", ["a leaking tap"], ["a lea", None]),
            ("case.title", "starts_with", "re:", ["RE: rent"], ["Fwd: re:"]),
            ("case.title", "matches_any_word", ["gas", "no heat"], ["Gas!", "there is no heat.", "(gas)"], ["gasp", "no, heat"]),
            ("case.title", "matches_any_word", ["c++", "a.b"], ["uses C++ now", "a.b"], ["axb"]),
            ("case.title", "is_set", None, ["x"], ["", "  ", None]),
            ("case.priority", "is", "high", ["high"], ["low", None, ""]),
            ("case.priority", "in", ["high", "urgent"], ["urgent", "high"], ["low", None]),
            ("case.escalation_level", "is", 2, [2, 2.0], [1, None, True, "2"]),
            ("case.escalation_level", "is", 1, [1], [True, "1"]),
            ("case.escalation_level", "in", [1, 2], [2], [3, None]),
            ("case.escalation_level", "gt", 1, [2], [1, 0, None, "2"]),
            ("case.escalation_level", "gte", 1, [1, 2], [0]),
            ("case.escalation_level", "lt", 1, [0, -1.5], [1, None, False]),
            ("case.escalation_level", "lte", 1, [1], [2]),
            ("case.escalation_level", "is_set", None, [0], [None]),
            ("case.due", "gt", "2026-03-24T10:00:00+01:00", [datetime(2026, 3, 24, 9, 1, tzinfo=UTC)], [datetime(2026, 3, 24, 9, tzinfo=UTC)]),
            ("case.due", "lte", "2026-03-24T09:00:00Z", [datetime(2026, 3, 24, 9, tzinfo=UTC), "2026-03-24T09:00:00+01:00"], [None, "soon", date(2026, 3, 1)]),
            ("case.tags", "has_any", ["VIP", "legal"], [["vip"], ("x", "Legal"), {"vip"}], [["vi"], [], None, "vip"]),
            ("case.tags", "has_all", ["vip", "legal"], [["Legal", "vip", "x"]], [["vip"], [], None]),
            ("case.tags", "contains", "vip", [["VIP"]], [["vips"], None]),
            ("case.tags", "is_set", None, [["x"]], [[], None, (), set()]),
            ("case.assigned_to", "is", "ana", ["Ana"], ["bob", None]),
            ("message.has_attachments", "is", True, [True], [False, None, 1, "true"]),
            ("message.has_attachments", "is", False, [False], [True, None, 0]),
            ("message.has_attachments", "is_set", None, [False], [None]),
        ],
    )  # fmt: skip
    def test_hold_and_their_opposites_do_not(
        self, field: str, op: str, value: Any, yes: list[Any], no: list[Any]
    ) -> None:
        opposite = {
            "is": "is_not",
            "in": "not_in",
            "contains": "not_contains",
            "has_any": "has_none",
            "is_set": "is_empty",
        }
        for fact, expected in [*((fact, True) for fact in yes), *((fact, False) for fact in no)]:
            assert holds(field, op, value, fact) is expected, fact
            if op in opposite:
                assert holds(field, opposite[op], value, fact) is not expected, fact


class TestParse:
    def test_gives_back_what_was_written(self) -> None:
        written = {"all": [HIGH, {"none": [leaf("case.tags", "is_empty")]}, {"any": []}]}
        tree = parse(written, CATALOGUE)
        assert tree.as_dict() == written
        assert parse(tree.as_dict(), CATALOGUE) == tree
        assert tree.fields == {"case.priority", "case.tags"}

    def test_names_an_unknown_field(self) -> None:
        ((path, message),) = errors({"all": [HIGH, leaf("case.colour", "is", "red")]})
        assert path == "conditions.all[1].field"
        assert message.startswith("'case.colour' is not a field; choose case.priority, ")

    def test_names_an_unknown_operator_and_one_of_another_kind(self) -> None:
        assert errors({"any": [leaf("case.priority", "equals", "high"), leaf("case.tags", "is", "vip")]}) == [
            (
                "conditions.any[0].op",
                "'equals' is not an operator of case.priority; choose is, is_not, in, not_in, is_set, is_empty",
            ),
            (
                "conditions.any[1].op",
                "'is' is not an operator of case.tags; choose has_any, has_all, has_none, contains, not_contains, is_set, is_empty",
            ),
        ]

    def test_names_an_illegal_value_and_where_it_is(self) -> None:
        tree = {
            "all": [LATE, leaf("case.priority", "is", "bananas"), {"none": [leaf("case.priority", "in", ["low", "x"])]}]
        }
        known = "choose low, medium, high, urgent, critical"
        assert errors(tree) == [
            ("conditions.all[1].value", f"'bananas' is not a priority; {known}"),
            ("conditions.all[2].none[0].value[1]", f"'x' is not a priority; {known}"),
        ]
        assert errors({"all": [leaf("case.sla_status", "is", "late")]})[0][1].startswith("'late' is not a SLA status;")

    @pytest.mark.parametrize(
        ("bad", "where", "message"),
        [
            (leaf("case.priority", "is", ["high", "low"]), "value", "takes one value, not a list"),
            (leaf("case.title", "contains", ["a", "b"]), "value", "takes one value, not a list"),
            (leaf("case.priority", "in", "high"), "value", "takes a list of at least one value"),
            (leaf("case.priority", "in", []), "value", "takes a list of at least one value"),
            (leaf("case.tags", "has_any", "vip"), "value", "takes a list of at least one value"),
            (leaf("case.title", "in", ["x"] * (MAX_VALUES + 1)), "value", "has more than 500 values"),
            (leaf("case.priority", "is"), "value", "is missing"),
            (leaf("case.priority", "is_set", value=False), "value", "takes no value; its opposite is 'is_empty'"),
            (leaf("case.title", "is_empty", "x"), "value", "takes no value; its opposite is 'is_set'"),
            (leaf("case.title", "is", ""), "value", "'' is not a text"),
            (leaf("case.title", "is", 5), "value", "'5' is not a text"),
            (leaf("case.title", "contains", "x" * (MAX_TEXT + 1)), "value", "is longer than 1000 characters"),
            (leaf("case.title", "contains", "a\0b"), "value", "characters that cannot be stored"),
            (leaf("case.title", "contains", "a\ud800b"), "value", "characters that cannot be stored"),
            (leaf("case.tags", "has_any", [["vip"]]), "value[0]", "is not a text"),
            (leaf("case.assigned_to", "is", 7), "value", "is not a text"),
            (leaf("case.escalation_level", "gt", "2"), "value", "'2' is not a number"),
            (leaf("case.escalation_level", "gt", value=True), "value", "'True' is not a number"),
            (leaf("case.escalation_level", "in", [1, float("inf")]), "value[1]", "is not a number"),
            (leaf("message.has_attachments", "is", "true"), "value", "'true' is not true or false"),
            (leaf("case.due", "lt", "tomorrow"), "value", "'tomorrow' is not a date and time with its offset"),
            (leaf("case.due", "lt", "2026-03-24T10:00:00"), "value", "is not a date and time with its offset"),
            (leaf("case.due", "lt", 5), "value", "is not a date and time with its offset"),
            (leaf("case.priority", "is", {"a": 1}), "value", "is not a priority"),
            (leaf("case.priority", "is", "\ud800" * 200), "value", "…' is not a priority"),
        ],
    )
    def test_refuses_values_that_do_not_fit(self, bad: dict[str, Any], where: str, message: str) -> None:
        ((path, told),) = errors({"all": [bad]})
        assert path == f"conditions.all[0].{where}"
        assert message in told
        assert len(told) < 250
        told.encode()  # can be sent back

    @pytest.mark.parametrize(
        ("conditions", "path", "message"),
        [
            (None, "conditions", "must be an object"),
            ([HIGH], "conditions", "must be an object"),
            ({}, "conditions", "a group is exactly one of all, any and none, with a list"),
            ({"all": None}, "conditions", "a group is exactly one of"),
            ({"all": [HIGH], "none": [LATE]}, "conditions", "a group is exactly one of"),
            ({"not": [HIGH]}, "conditions.not", "is not part of a condition"),
            (HIGH, "conditions.field", "is not part of a condition"),
            ({"all": HIGH}, "conditions.all", "must be a list"),
            ({"all": ["high"]}, "conditions.all[0]", "must be an object"),
            ({"all": [HIGH, {}]}, "conditions.all[1].field", "is missing"),
            ({"all": [{"field": "case.title"}]}, "conditions.all[0].op", "is missing"),
            ({"all": [{**HIGH, "field": 5}]}, "conditions.all[0].field", "must be a text"),
            ({"all": [{**HIGH, "negate": True}]}, "conditions.all[0].negate", "is not part of a condition"),
            ({"any": [{"all": [HIGH], "any": []}]}, "conditions.any[0]", "a group is exactly one of"),
            ({"any": [{"all": [{"leaf": 1}]}]}, "conditions.any[0].all[0].leaf", "is not part of a condition"),
        ],
    )
    def test_refuses_other_shapes(self, conditions: object, path: str, message: str) -> None:
        found = dict(errors(conditions))
        assert path in found
        assert message in found[path]

    def test_refuses_a_value_that_json_does_not_have(self) -> None:
        ((path, _message), *_rest) = errors({"all": [{**HIGH, "value": object()}]})
        assert path == "conditions.all[0].value"

    def test_refuses_giants_before_it_reads_them(self) -> None:
        deep: dict[str, Any] = {"all": [HIGH]}
        for _level in range(MAX_DEPTH - 1):
            deep = {"all": [deep]}
        assert parse(deep, CATALOGUE)
        assert errors({"none": [deep]}) == [("conditions", "is nested more than 6 groups deep")]
        for _level in range(5000):
            deep = {"any": [deep]}
        assert errors(deep) == [("conditions", "is nested more than 6 groups deep")]
        assert parse({"any": [HIGH] * MAX_LEAVES}, CATALOGUE)
        assert errors({"any": [HIGH] * (MAX_LEAVES + 1)}) == [("conditions", "has more than 200 conditions")]
        halves = {"any": [{"all": [HIGH] * 150}, {"all": [HIGH] * 150}]}
        assert errors(halves) == [("conditions", "has more than 200 conditions")]

    def test_says_everything_that_is_wrong_at_once(self) -> None:
        with pytest.raises(
            InvalidConditions, match=r"conditions\.all\[0\]\.field: .*; conditions\.all\[1\]\.op: "
        ) as caught:
            parse({"all": [leaf("x", "is", 1), leaf("case.title", "x", 1)]}, CATALOGUE)
        assert len(caught.value.errors) == 2

    def test_names_paths_from_where_the_conditions_stand(self) -> None:
        with pytest.raises(InvalidConditions, match=r"rules\[3\]\.conditions\.all\[0\]\.field"):
            parse({"all": [leaf("x", "is", 1)]}, CATALOGUE, path="rules[3].conditions")


class TestCatalogue:
    def test_reads_as_a_mapping(self) -> None:
        assert len(CATALOGUE) == 8
        assert CATALOGUE["case.title"].kind is Kind.TEXT
        assert "case.colour" not in CATALOGUE

    def test_describes_itself_for_a_screen(self) -> None:
        described = {field["name"]: field for field in CATALOGUE.as_list()}
        assert described["case.sla_status"] == {
            "name": "case.sla_status",
            "kind": "choice",
            "label": "SLA status",
            "operators": ["is", "is_not", "in", "not_in", "is_set", "is_empty"],
            "choices": [{"value": "on_time", "label": "On Time"}, {"value": "breached", "label": "Breached"}],
        }
        assert described["case.title"]["choices"] == []


class TestDefaults:
    def test_have_conditions_that_can_be_saved(self) -> None:
        from workflows.catalogue import catalogue

        rules = json.loads((Path(__file__).parents[2] / "handyconnect/defaults/rules.json").read_text())
        assert len(rules) == 5
        for rule in rules:
            assert parse(rule["conditions"], catalogue()).fields <= set(catalogue())


# --- Against a naive evaluator ----------------------------------------------------------------------------------------

words = st.sampled_from(["low", "medium", "high"])
leaves = st.one_of(
    st.builds(leaf, st.just("case.priority"), st.sampled_from(["is", "is_not"]), words),
    st.builds(leaf, st.just("case.priority"), st.sampled_from(["in", "not_in"]), st.lists(words, min_size=1, max_size=3)),
    st.builds(leaf, st.just("case.escalation_level"), st.sampled_from(["gt", "lte"]), st.integers(0, 3)),
    st.builds(leaf, st.just("case.tags"), st.sampled_from(["has_any", "has_all", "has_none"]), st.lists(words, min_size=1, max_size=3)),
)  # fmt: skip
trees = st.recursive(
    st.fixed_dictionaries({"all": st.lists(leaves, max_size=3)}),
    lambda inner: st.builds(
        lambda how, members: {how: members},
        st.sampled_from(["all", "any", "none"]),
        st.lists(st.one_of(leaves, inner), max_size=3),
    ),
    max_leaves=5,
)


def naive(node: dict[str, Any], facts: dict[str, Any]) -> bool:
    if "field" not in node:
        ((how, members),) = node.items()
        count = sum(naive(member, facts) for member in members)
        return bool(members) and {"all": count == len(members), "any": count > 0, "none": count == 0}[how]
    fact, value = facts[node["field"]], node["value"]
    tests: dict[str, Callable[[], bool]] = {
        "is": lambda: fact == value,
        "is_not": lambda: fact != value,
        "in": lambda: fact in value,
        "not_in": lambda: fact not in value,
        "gt": lambda: fact > value,
        "lte": lambda: fact <= value,
        "has_any": lambda: any(one in fact for one in value),
        "has_all": lambda: all(one in fact for one in value),
        "has_none": lambda: all(one not in fact for one in value),
    }
    return tests[node["op"]]()


class TestAgainstANaiveEvaluator:
    @given(tree=trees, priority=words, level=st.integers(0, 3), tags=st.lists(words, max_size=3))
    def test_agrees(self, tree: dict[str, Any], priority: str, level: int, tags: list[str]) -> None:
        facts = {"case.priority": priority, "case.escalation_level": level, "case.tags": tags}
        try:
            parsed = parse(tree, CATALOGUE)
        except InvalidConditions as refused:
            assert "nested more than" in str(refused)  # noqa: PT017 - the only reason that these trees can give
            return
        assert evaluate(parsed, facts).matched is naive(tree, facts)
