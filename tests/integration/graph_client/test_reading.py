"""Reading a mailbox: delta rounds, poison messages, lists, bytes, folders."""

from datetime import timedelta
from typing import Any

import pytest

from mail_ingest.sources.graph import delta, folders, messages
from mail_ingest.sources.graph.client import Graph
from mail_ingest.sources.graph.errors import (
    BadAnswer,
    DeltaLost,
    MessageGone,
    TooLarge,
    Unreachable,
    UntrustedLink,
)
from mail_ingest.sources.graph.items import Item
from tests.integration.graph_client.helpers import START, USER, Watch, fill, ids, ids_of, whole
from tests.mails import mail
from tests.standins.graph import Fault, GraphStandIn, Mailbox


class TestDelta:
    def test_it_tells_everything_once_and_then_what_is_new(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        sent = fill(box, 25)
        items, last = whole(delta.rounds(graph, USER, "inbox", page_size=10))
        assert ids(items) == ids_of(sent)
        assert last.is_complete
        new = fill(box, 1, start=START + timedelta(days=1))
        box.delete(sent[0])
        box.move(sent[1], "archive")
        items, last = whole(delta.rounds(graph, USER, "inbox", link=last.resume))
        told = {item.id: item.removed for item in items}
        assert told == {new[0].id: "", sent[0].id: "deleted", sent[1].id: "deleted"}
        items, last = whole(delta.rounds(graph, USER, "inbox", link=last.resume))
        assert items == []
        assert last.is_complete

    def test_it_asks_for_small_pages_of_immutable_ids(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        fill(box, 3)
        whole(delta.rounds(graph, USER, "inbox", page_size=2))
        for request in standin.seen("GET", "delta"):
            assert 'IdType="ImmutableId"' in request.prefers
            assert "odata.maxpagesize=2" in request.prefers
        assert "body" not in standin.seen("GET", "delta")[0].query["$select"]

    def test_it_can_begin_at_a_date(self, box: Mailbox, graph: Graph) -> None:
        sent = fill(box, 10)
        items, _last = whole(delta.rounds(graph, USER, "inbox", since=START + timedelta(minutes=7)))
        assert ids(items) == ids_of(sent[7:])

    def test_it_goes_on_from_the_middle(self, box: Mailbox, graph: Graph) -> None:
        sent = fill(box, 10)
        first = next(delta.rounds(graph, USER, "inbox", page_size=4))
        assert not first.is_complete
        rest, last = whole(delta.rounds(graph, USER, "inbox", link=first.resume))
        assert ids([*first.items, *rest]) == ids_of(sent)
        assert last.is_complete

    def test_it_passes_on_how_rounds_really_are(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        sent = fill(box, 10)
        faults = standin.faults
        faults.repeated_items = faults.unordered = faults.empty_pages = faults.removed_in_first_round = True
        pages = list(delta.rounds(graph, USER, "inbox", page_size=3))
        items = [item for page in pages for item in page.items]
        assert {item.id for item in items if not item.removed} == set(ids_of(sent))
        assert len(items) > len(sent) + 1
        assert {item.removed for item in items} == {"", "deleted"}
        assert any(not page.items for page in pages)
        assert [page.is_complete for page in pages] == [False] * (len(pages) - 1) + [True]

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (410, "SyncStateNotFound"),
            (410, ""),
            (400, "syncstatenotfound"),
            (404, "SYNCStateNotFound"),
            (404, "ErrorItemNotFound"),
        ],
    )
    @pytest.mark.parametrize("where", ["delta", "next"])
    def test_it_says_when_the_state_is_lost(  # noqa: PLR0917
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, watch: Watch, status: int, code: str, where: str
    ) -> None:
        fill(box, 5)
        pages = delta.rounds(graph, USER, "inbox", page_size=3)
        link = next(pages).resume if where == "next" else whole(pages)[1].resume
        (standin.faults.lose_next_links if where == "next" else standin.faults.lose_delta_links)(status, code=code)
        with pytest.raises(DeltaLost):
            whole(delta.rounds(graph, USER, "inbox", link=link))
        assert watch.slept == []

    def test_it_says_when_the_server_knows_no_link_at_all(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        link = whole(delta.rounds(graph, USER, "inbox"))[1].resume
        standin.forget_rounds()
        with pytest.raises(DeltaLost):
            whole(delta.rounds(graph, USER, "inbox", link=link))

    @pytest.mark.parametrize(
        "link",
        [
            "https://evil.example/v1.0/users/x/messages/delta?$skiptoken=1",
            "http://127.0.0.1:1/v1.0/users/x/messages/delta",
            "http://{host}/v2.0/users",
            "http://{host}/v1.0/../admin",
            "http://u:p@{host}/v1.0/users",
            "https://{host}/v1.0/users",
            "http://{host}@evil.example/v1.0/users",
            "//evil.example/v1.0/",
            "/v1.0/users",
            "file:///etc/passwd",
            "http://[::1",
        ],
    )
    def test_it_follows_no_link_to_another_place(self, standin: GraphStandIn, graph: Graph, link: str) -> None:
        with pytest.raises(UntrustedLink):
            next(delta.rounds(graph, USER, "inbox", link=link.replace("{host}", standin.origin.partition("//")[2])))
        assert standin.requests == []

    def test_it_follows_no_link_that_an_answer_gives_to_another_place(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        fill(box, 5)
        with GraphStandIn() as evil:
            standin.faults.foreign_links = evil.origin
            with pytest.raises(UntrustedLink):
                whole(delta.rounds(graph, USER, "inbox", page_size=2))
            with pytest.raises(UntrustedLink):
                whole(messages.listing(graph, USER, "inbox", page_size=2))
            assert evil.requests == []

    def test_it_does_not_walk_in_a_circle(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(box, 5)
        first = next(delta.rounds(graph, USER, "inbox", page_size=2))
        monkeypatch.setattr(GraphStandIn, "token_link", lambda *_arguments: first.resume)
        with pytest.raises(BadAnswer, match="circle"):
            whole(delta.rounds(graph, USER, "inbox", link=first.resume, page_size=2))


class TestPoison:
    @pytest.mark.parametrize("place", [0, 4, 17, 39])
    @pytest.mark.parametrize("id_readable", [False, True])
    def test_it_is_isolated_and_all_others_come(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph, place: int, *, id_readable: bool
    ) -> None:
        sent = fill(box, 40)
        standin.faults.poison(sent[place], id_readable=id_readable)
        pages = list(delta.rounds(graph, USER, "inbox", page_size=10))
        found = {item.id for page in pages for item in page.items}
        assert found == {one.id for one in sent} - {sent[place].id}
        (poison,) = [one for page in pages for one in page.poison]
        if id_readable:
            assert poison.id == sent[place].id
        else:
            assert poison.id == ""
            assert poison.before == (sent[place + 1].received_at if place < 39 else None)
        assert pages[-1].is_complete is (place < 39)

    def test_it_does_not_keep_new_mail_out(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        sent = fill(box, 5)
        standin.faults.poison(sent[4])
        blocked = list(delta.rounds(graph, USER, "inbox"))[-1]
        assert not blocked.is_complete
        assert not any(
            "$filter" in request.query for request in standin.seen("GET", "delta")
        )  # it could only fail again
        new = fill(box, 2, start=START + timedelta(days=1))
        items, last = whole(delta.rounds(graph, USER, "inbox", link=blocked.resume, since=START))
        assert {one.id for one in new} <= {item.id for item in items}
        assert last.is_complete
        newest = fill(box, 1, start=START + timedelta(days=2))
        items, last = whole(delta.rounds(graph, USER, "inbox", link=last.resume))
        assert ids(items) == ids_of(newest)

    def test_it_blocks_nothing_once_it_is_gone(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        sent = fill(box, 5)
        standin.faults.poison(sent[4])
        blocked = list(delta.rounds(graph, USER, "inbox"))[-1]
        box.delete(sent[4])
        items, last = whole(delta.rounds(graph, USER, "inbox", link=blocked.resume))
        assert {item.id for item in items if not item.removed} == {one.id for one in sent[:4]}
        assert last.is_complete

    def test_there_can_be_several(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        sent = fill(box, 30)
        bad = [sent[3], sent[4], sent[20]]
        for one in bad:
            standin.faults.poison(one, id_readable=True)
        pages = list(messages.listing(graph, USER, "inbox", page_size=8))
        assert {item.id for page in pages for item in page.items} == {one.id for one in sent if one not in bad}
        assert {one.id for page in pages for one in page.poison} == {one.id for one in bad}

    def test_a_mailbox_that_is_down_is_not_one(self, standin: GraphStandIn, box: Mailbox, graph: Graph) -> None:
        fill(box, 5)
        standin.faults.mailbox_down(USER)
        with pytest.raises(Unreachable):
            list(delta.rounds(graph, USER, "inbox"))
        with pytest.raises(Unreachable):
            list(messages.listing(graph, USER, "inbox"))


class TestListing:
    @pytest.mark.parametrize("page_size", [1, 7, 100])
    def test_it_gives_each_message_of_a_time_once_and_in_order(
        self, box: Mailbox, graph: Graph, page_size: int
    ) -> None:
        sent = fill(box, 20)
        since, until = sent[5].received_at, sent[15].received_at
        items, _last = whole(messages.listing(graph, USER, "inbox", since=since, until=until, page_size=page_size))
        assert [item.id for item in items] == [one.id for one in sent[5:15]]

    def test_it_copes_with_many_of_one_second(self, box: Mailbox, graph: Graph) -> None:
        sent = [*(fill(box, 1, start=START)[0] for _ in range(11)), *fill(box, 3, start=START + timedelta(hours=1))]
        items, _last = whole(messages.listing(graph, USER, "inbox", page_size=4))
        assert ids(items) == ids_of(sent)

    def test_it_misses_none_while_others_are_moved_away(self, box: Mailbox, graph: Graph) -> None:
        sent = fill(box, 20)
        found: list[Item] = []
        for page in messages.listing(graph, USER, "inbox", page_size=6):
            found += page.items
            for item in page.items:
                one = box.find(item.id)
                assert one is not None
                box.move(one, "archive")
        assert ids(found) == ids_of(sent)

    def test_it_is_empty_for_an_empty_folder(self, box: Mailbox, graph: Graph) -> None:
        assert list(messages.listing(graph, USER, "sentitems")) == []


class TestMime:
    RAW = mail(attachment=("plan.pdf", b"%PDF-1.4 " + b"x" * 5000))

    def test_it_is_the_very_bytes(self, box: Mailbox, graph: Graph, watch: Watch) -> None:
        assert messages.mime(graph, USER, box.add(self.RAW).id) == self.RAW
        assert watch.slept == []

    @pytest.mark.parametrize("how", ["truncate", "cut", "html", "drop"])
    def test_it_is_never_half_a_message(self, standin: GraphStandIn, box: Mailbox, graph: Graph, how: Any) -> None:
        one = box.add(self.RAW)
        standin.faults.add(Fault(how=how, status=200, after=True, path="value"))
        assert messages.mime(graph, USER, one.id) == self.RAW

    def test_it_may_be_written_without_an_end(self, box: Mailbox, graph: Graph, watch: Watch) -> None:
        raw = self.RAW[: len(self.RAW) // 2]  # as its sender left it
        assert messages.mime(graph, USER, box.add(raw).id) == raw
        assert watch.slept == [1]

    def test_it_may_come_a_little_later_than_its_notification(self, box: Mailbox, graph: Graph, watch: Watch) -> None:
        one = box.add(self.RAW, not_found_reads=2)
        assert messages.mime(graph, USER, one.id) == self.RAW
        assert watch.slept == [0.5, 1.0]

    def test_it_is_gone_when_it_stays_away(self, box: Mailbox, graph: Graph) -> None:
        one = box.add(self.RAW)
        box.delete(one)
        with pytest.raises(MessageGone):
            messages.mime(graph, USER, one.id)

    def test_it_is_refused_when_it_is_too_large(self, box: Mailbox, graph: Graph) -> None:
        with pytest.raises(TooLarge):
            messages.mime(graph, USER, box.add(self.RAW).id, max_bytes=1000)

    def test_it_fails_where_the_message_itself_is_poison(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        one = box.add(self.RAW)
        standin.faults.poison(one, in_value=True)
        with pytest.raises(Unreachable):
            messages.mime(graph, USER, one.id)


class TestFolders:
    def test_they_are_listed_with_their_paths(self, box: Mailbox, graph: Graph) -> None:
        filed = box.make_folder("Filed", box.folder("inbox").id)
        for number in range(120):
            box.make_folder(f"{number:03}", filed.id)
        paths = [folder.path for folder in folders.folders(graph, USER)]
        assert {"Inbox", "Sent Items", "Inbox/Filed", "Inbox/Filed/119"} <= set(paths)
        assert len(paths) == len(set(paths)) == 6 + 1 + 120

    @pytest.mark.parametrize(
        ("destination", "path"),
        [("archive", ["Archive"]), ("Done/2026", ["Done", "2026"]), ("INBOX/Tom's", ["Inbox", "Tom's"])],
    )
    def test_a_message_is_moved_and_keeps_its_id(
        self, box: Mailbox, graph: Graph, destination: str, path: list[str]
    ) -> None:
        one, other = fill(box, 2)
        mutable = one.mutable_id
        assert folders.move(graph, USER, one.id, destination) == one.id
        assert folders.move(graph, USER, other.id, destination) == other.id
        assert one.mutable_id != mutable
        folder = box.folders[one.folder_id]
        assert folder.name == path[-1]
        assert box.folders[folder.parent_id].name == (path[-2] if len(path) > 1 else "Top of Information Store")
        assert other.folder_id == one.folder_id

    def test_a_folder_is_looked_up_once_and_again_when_somebody_deletes_it(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        sent = fill(box, 4)
        for one in sent[:3]:
            folders.move(graph, USER, one.id, "Done")
        assert len(standin.seen("GET", "childFolders")) == 1
        del box.folders[sent[0].folder_id]
        folders.move(graph, USER, sent[3].id, "Done")
        assert box.folders[sent[3].folder_id].name == "Done"

    def test_a_folder_can_be_named_by_its_id(self, box: Mailbox, graph: Graph) -> None:
        (one,) = fill(box, 1)
        wanted = box.make_folder("Filed", box.folder("inbox").id)
        folders.move(graph, USER, one.id, wanted.id)
        assert one.folder_id == wanted.id

    def test_a_folder_that_another_worker_made_meanwhile_is_taken(
        self, standin: GraphStandIn, box: Mailbox, graph: Graph
    ) -> None:
        (one,) = fill(box, 1)
        standin.faults.add(
            Fault(status=504, method="POST", path="childFolders", after=True)
        )  # made, and the answer lost
        folders.move(graph, USER, one.id, "Done")
        assert box.folders[one.folder_id].name == "Done"
        assert [folder.name for folder in box.folders.values()].count("Done") == 1

    def test_a_message_that_is_gone_cannot_be_moved(self, box: Mailbox, graph: Graph) -> None:
        (one,) = fill(box, 1)
        box.delete(one)
        with pytest.raises(MessageGone):
            folders.move(graph, USER, one.id, "archive")

    def test_a_message_is_marked_as_read(self, box: Mailbox, graph: Graph) -> None:
        (one,) = fill(box, 1)
        messages.mark_read(graph, USER, one.id)
        assert one.is_read
