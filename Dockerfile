# The image of every service in docker-compose.yml but Redis: this checkout's wheel, installed.
# All that it needs comes as wheels, for x86-64 and ARM: nothing is compiled.
FROM python:3.13-slim-trixie AS base

FROM base AS build
WORKDIR /src
COPY . .
# With what an archive in PostgreSQL and traces need: no setting may ask for what an image lacks.
RUN --mount=type=cache,target=/root/.cache/pip pip wheel --wheel-dir /wheels '.[postgresql,traces]'

FROM base
RUN useradd --uid 1000 imagequeue && install -d -o imagequeue -g imagequeue /data
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels /wheels/*.whl
ENV PYTHONUNBUFFERED=1 IMAGEQUEUE_DATA_DIR=/data
# By number, so that Kubernetes can check that it is not root.
USER 1000:1000
WORKDIR /data
VOLUME /data
CMD ["imagequeue", "--help"]
