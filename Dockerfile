# The same steps as by hand: a virtual environment, the locked dependencies, then the project.
FROM python:3.13-slim-trixie

ENV PATH=/srv/trunkline/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /srv/trunkline

# Dependencies change more seldom than code, so they are a layer of their own.
COPY requirements-run.lock ./
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin trunkline \
    && python -m venv .venv \
    && .venv/bin/python -m pip install --require-hashes --requirement requirements-run.lock

COPY pyproject.toml README.md LICENSE ./
COPY app ./app
COPY migrations ./migrations
RUN .venv/bin/python -m pip install --no-deps --no-build-isolation --editable .

USER 10001

ENV ENVIRONMENT=production HOST=0.0.0.0 PORT=8000 LOG_FORMAT=json
EXPOSE 8000

HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]

CMD ["trunkline", "serve"]
