from handyconnect.logging import without_queries


class TestWithoutQueries:
    def test_keeps_what_people_search_for_out_of_the_logs(self) -> None:
        entry = without_queries(None, "info", {"event": "request_started", "request": "GET /api/cases/search?q=Tina"})
        assert entry == {"event": "request_started", "request": "GET /api/cases/search"}

    def test_leaves_other_entries_alone(self) -> None:
        assert without_queries(None, "info", {"event": "mail_sent"}) == {"event": "mail_sent"}
