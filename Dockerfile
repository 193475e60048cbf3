# The workflow with the packages of the lock; docs/containers.md says how to run it.
#   docker build -t spoofscope .
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends git make fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/spoofscope
# What the installation reads: an edit of anything else does not download the packages again.
COPY pyproject.toml README.md LICENSE ./
COPY envs/ envs/
COPY src/ src/
RUN sh envs/setup.sh && rm -rf /root/.cache
# The rest, with the history: results record the commit.
COPY . .
RUN git config --system --add safe.directory /opt/spoofscope

# Whoever runs it may have neither a home nor a name here.
ENV PATH=/opt/spoofscope/.venv/bin:$PATH \
    USER=spoofscope \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/cache/matplotlib
WORKDIR /work
CMD ["spoofscope", "--help"]
