from django.db import migrations

# Threading asks who answers an id, or refers to it (`known.by_reference`), for each new conversation. PostgreSQL alone has
# such an index; Django's own GinIndex cannot stand in a model that also lives on SQLite.
INDEXES = {"email_answers": "in_reply_to", "email_refers": "references"}


def build(_apps, editor):
    if editor.connection.vendor == "postgresql":
        for name, column in INDEXES.items():
            editor.execute(f'CREATE INDEX "{name}" ON "mail_ingest_emailmessage" USING gin ("{column}")')


def drop(_apps, editor):
    if editor.connection.vendor == "postgresql":
        for name in INDEXES:
            editor.execute(f'DROP INDEX IF EXISTS "{name}"')


class Migration(migrations.Migration):
    dependencies = [("mail_ingest", "0002_mail_channel")]
    operations = [migrations.RunPython(build, drop)]
