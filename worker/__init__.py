"""Long work: Celery tasks and the learning code. Start reading at worker/celery_app.py."""
