# The image of every service, by one recipe. From the repository's root:
#
#   docker build -f deploy/service.Dockerfile -t gatehouse/portal \
#     --build-arg DISTRIBUTION=services/portal --build-arg PACKAGE=portal .
#
# The base needs Python 3.11 or later with pip, as `python3`. It is an argument, so that whoever keeps images of his own,
# or cannot fetch any, says which.
ARG BASE_IMAGE=python:3.11-slim-bookworm

# What all services share. It is the first and by far the largest layer, and the same one in all images.
FROM ${BASE_IMAGE} AS chassis
WORKDIR /build
COPY requirements.lock deploy/needed.py ./
COPY contracts/pyproject.toml contracts/
COPY chassis/pyproject.toml chassis/
RUN python3 needed.py requirements.lock contracts chassis > needed.lock \
    && python3 -m pip install --quiet --no-cache-dir --no-deps --require-hashes --only-binary :all: \
        --target /opt/gatehouse/chassis --requirement needed.lock
COPY contracts/src /opt/gatehouse/chassis/
COPY chassis/src /opt/gatehouse/chassis/
# By hash and unchecked: nothing is compiled again, whatever an engine makes of the files' times.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/gatehouse/chassis/contracts /opt/gatehouse/chassis/chassis

# What this one has besides.
FROM chassis AS service
ARG DISTRIBUTION
ARG SOURCE=${DISTRIBUTION}/src
COPY ${DISTRIBUTION}/pyproject.toml ${DISTRIBUTION}/
RUN python3 needed.py requirements.lock contracts chassis ${DISTRIBUTION} --besides contracts chassis > needed.lock \
    && mkdir -p /opt/gatehouse/service \
    && if [ -s needed.lock ]; then \
        python3 -m pip install --quiet --no-cache-dir --no-deps --require-hashes --only-binary :all: \
            --target /opt/gatehouse/service --requirement needed.lock; \
    fi
COPY ${SOURCE} /opt/gatehouse/service/
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/gatehouse/service

FROM ${BASE_IMAGE}
# A number and no name: whoever looks for containers that run as root sees it without looking into the image. The folders are
# there so that a volume mounted on one is this user's; scans are nobody else's.
RUN mkdir -p /var/lib/gatehouse/checklists && chown -R 10001:10001 /var/lib/gatehouse && chmod 700 /var/lib/gatehouse/checklists
COPY --from=chassis /opt/gatehouse/chassis /opt/gatehouse/chassis
COPY deploy/healthcheck.py /opt/gatehouse/
COPY --from=service /opt/gatehouse/service /opt/gatehouse/service
ARG PACKAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gatehouse ${PACKAGE}" \
      org.opencontainers.image.description="Gatehouse 工地防疫实名制登记系统: ${PACKAGE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# An api and a worker both answer their probes at the one port that the health check asks.
ENV PYTHONPATH=/opt/gatehouse/service:/opt/gatehouse/chassis \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LANG=C.UTF-8 \
    TZ=UTC \
    GATEHOUSE_HOST=0.0.0.0 \
    GATEHOUSE_PORT=8000 \
    GATEHOUSE_WORKER_PORT=8000 \
    GATEHOUSE_PACKAGE=${PACKAGE} \
    GATEHOUSE_RELEASE=${VERSION}
WORKDIR /var/lib/gatehouse
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# As `x-asked` in docker-compose.yml, where the reasons stand.
HEALTHCHECK --interval=30s --timeout=8s --start-period=60s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/gatehouse/healthcheck.py"]
# The shell replaces itself: signals reach the program.
ENTRYPOINT ["/bin/sh", "-c", "exec python3 -m \"$GATEHOUSE_PACKAGE\" \"$@\"", "gatehouse"]
CMD ["all"]
