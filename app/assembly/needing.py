"""Who needs the results of a job beyond what the policy keeps: joined once, when this is imported.

Whatever shows or drops old results imports it: the web application and the worker.
"""

from __future__ import annotations

from app.identification.needed_jobs import jobs_in_use
from app.predictions.keeping import join_needs
from app.promotion.needed_jobs import jobs_of_reports

join_needs(jobs_in_use, jobs_of_reports)
