# Two images from one file: the service (the default target), which is worker and command line, and
# the emulator (--target emulator). Dependencies are those of uv.lock, known by their hashes.
#
# Behind a proxy: HTTP_PROXY, HTTPS_PROXY and NO_PROXY are build arguments that Docker knows already.
# Another package index: --build-arg PIP_INDEX_URL=... An authority of one's own: a base image that
# trusts it, --build-arg PYTHON_IMAGE=...
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.9
ARG HATCHLING_VERSION=1.33.0
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never
RUN python -m venv /build && \
    /build/bin/pip install --quiet "uv==${UV_VERSION}" "hatchling==${HATCHLING_VERSION}"
COPY deploy/image/ /usr/local/bin/
WORKDIR /source
COPY pyproject.toml uv.lock ./
COPY schemas/pyproject.toml schemas/
COPY clients/python/pyproject.toml clients/python/
COPY service/pyproject.toml service/
COPY emulator/pyproject.toml emulator/

FROM build AS build-service
RUN install-locked speechmq --all-extras
COPY schemas schemas
COPY service service
RUN install-source ./schemas ./service

FROM build AS build-emulator
RUN install-locked speechmq-emulator
COPY emulator emulator
RUN install-source ./emulator

# Nothing is written outside /tmp, so the root file system can be read-only.
FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --gid 10001 speechmq && \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin speechmq
ENV PATH=/opt/speechmq/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001

FROM runtime AS emulator
LABEL org.opencontainers.image.title="speechmq-emulator" \
      org.opencontainers.image.description="A local Speechmatics Realtime server with real speech recognition" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-emulator /opt/speechmq /opt/speechmq
EXPOSE 9000 8001
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:8001/live', timeout=4)"]
ENTRYPOINT ["speechmq-emulator"]
CMD ["--host", "0.0.0.0"]

FROM runtime AS service
LABEL org.opencontainers.image.title="speechmq" \
      org.opencontainers.image.description="Live speech over message queues: a worker between RabbitMQ and Speechmatics Realtime" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-service /opt/speechmq /opt/speechmq
ENV SPEECHMQ_HEALTH__ADDRESS=0.0.0.0:8080
EXPOSE 8080
# Alive, not ready: a worker whose broker is away must not be killed for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as http; http.urlopen('http://127.0.0.1:8080/live', timeout=4)"]
ENTRYPOINT ["speechmq"]
CMD ["worker"]
