"""Everything that runs by itself stands in one table, and each entry names a task that exists."""

from handyconnect.celery import app
from handyconnect.schedule import SCHEDULE


class TestTheSchedule:
    def test_names_tasks_that_exist(self) -> None:
        app.loader.import_default_modules()
        assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)

    def test_is_what_beat_runs(self) -> None:
        assert app.conf.beat_schedule == SCHEDULE

    def test_leaves_no_pile_behind_when_no_worker_is_there(self) -> None:
        for name, entry in SCHEDULE.items():
            assert 0 < entry["options"]["expires"] <= max(entry["schedule"].total_seconds(), 5), name

    def test_keeps_to_the_promised_intervals(self) -> None:
        seconds = {entry["task"]: entry["schedule"].total_seconds() for entry in SCHEDULE.values()}
        assert seconds["cases.tasks.drain_events"] == 10
        assert seconds["mail_ingest.tasks.poll_mailboxes"] == 2
        assert seconds["mail_ingest.tasks.sweep_messages"] == 15
        assert seconds["mail_ingest.tasks.put_away_mail"] == 30
        assert seconds["mail_ingest.tasks.continue_backfills"] == 10
        assert seconds["mail_ingest.tasks.reconcile_mailboxes"] == 600
        assert seconds["mail_ingest.tasks.sweep_notices"] == 15
        assert seconds["mail_ingest.tasks.look_after_subscriptions"] == 60
        assert seconds["mail_ingest.tasks.forget_notices"] == 86_400
        assert seconds["mail_ingest.tasks.send_outbound"] == 5
        assert seconds["sla.tasks.sweep_clocks"] == 15
        assert seconds["workflows.tasks.run_time_rules"] == 300
        assert seconds["accounts.tasks.forget_idempotency_keys"] == 86_400
        assert seconds["mail_ingest.tasks.forget_unused_files"] == 86_400
