"""Runs web, worker, beat and broker as children of one process and keeps them in step (`manage.py run`)."""
