from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mail_ingest", "0003_who_answers")]
    operations = [
        migrations.AddField(
            model_name="sourcefolder",
            name="push_detail",
            field=models.TextField(
                blank=True,
                default="",
                help_text="It only takes longer then until mail is here: the folder is read every minute all the same.",
                verbose_name="why Microsoft 365 does not call us",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="sourcefolder",
            name="push_claimed_until",
            field=models.DateTimeField(blank=True, null=True, verbose_name="subscription being seen to until"),
        ),
        migrations.AddField(
            model_name="graphnotice",
            name="next_try_at",
            field=models.DateTimeField(
                blank=True,
                help_text="While a worker sees to it, nobody else does.",
                null=True,
                verbose_name="next try",
            ),
        ),
    ]
