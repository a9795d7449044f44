# One image for web, worker, trainer and beat.
FROM python:3.12-slim

RUN useradd --create-home --uid 10001 winnow && mkdir /data && chown winnow /data
WORKDIR /srv/winnow
COPY requirements.txt pyproject.toml README.md alembic.ini ./
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY app app
COPY worker worker
COPY migrations migrations
COPY templates templates
COPY static static
RUN pip install --no-cache-dir --no-deps -e .
COPY .ci/container-entry /usr/local/bin/container-entry
USER winnow
ENV PYTHONDONTWRITEBYTECODE=1 REMAP_SIGTERM=SIGQUIT TF_CPP_MIN_LOG_LEVEL=3
ENTRYPOINT ["/usr/local/bin/container-entry"]
