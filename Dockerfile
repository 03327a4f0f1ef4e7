# The images, from the archives that `cargo xtask image` lays into the context. They are made there,
# and not here, so that the same inputs make the same layers and nothing is fetched while building.
#
# BASE_IMAGE: a slim Debian 12 or newer. `cargo xtask image` makes one of Debian's own packages;
# where there is a registry, `cargo xtask image --base debian:bookworm-slim` takes that.

ARG BASE_IMAGE=debian:bookworm-slim

# What one person's OpenClaw runs in. Needs no network and no capability, and writes nowhere but to
# /data, which is all of a sandbox that lasts; its root may be read-only. It is not told who may
# speak to it but by ZAKI_SANDBOX_TOKEN, nor which model to ask but by ZAKI_SANDBOX_MODEL.
FROM ${BASE_IMAGE} AS sandbox
ARG NODE_VERSION
ARG OPENCLAW_VERSION
ADD runtime.tar /
ADD program.tar /
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    HOME=/data \
    ZAKI_SANDBOX_LISTEN=127.0.0.1:8787 \
    ZAKI_SANDBOX_STATE=/data \
    ZAKI_SANDBOX_NODE=/opt/zaki/bin/node \
    ZAKI_SANDBOX_OPENCLAW=/opt/zaki/node_modules/openclaw \
    ZAKI_SANDBOX_MODEL_URL=http://127.0.0.1:8788/model/v1
USER 10001:10001
WORKDIR /data
# Everything runs as that user on that base, in the pinned versions, and the optional native package
# loads, without which no answer can carry a file. Leaves nothing behind: /dev/shm is not in a layer.
RUN export HOME=/dev/shm TMPDIR=/dev/shm NODE=$ZAKI_SANDBOX_NODE OPENCLAW=$ZAKI_SANDBOX_OPENCLAW \
 && test "$($NODE --version)" = "v$NODE_VERSION" \
 && $NODE $OPENCLAW/openclaw.mjs --version | grep -F "OpenClaw $OPENCLAW_VERSION" \
 && $NODE --input-type=module -e "$(cat /opt/zaki/native.mjs)" $OPENCLAW | grep -x "native ok" \
 && zaki-container --version
LABEL zaki.openclaw=$OPENCLAW_VERSION
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=3m --retries=3 \
    CMD ["/usr/local/bin/zaki-container", "health"]
ENTRYPOINT ["/usr/local/bin/zaki-container"]

# The hub, for where it runs apart from its edge. It keeps everything in /data.
FROM ${BASE_IMAGE} AS hub
ADD hub.tar /
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    HOME=/data \
    ZAKI__HUB__DATA_DIR=/data \
    ZAKI__HUB__LISTEN=0.0.0.0:8787
USER 10001:10001
WORKDIR /data
RUN zaki --version
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=1m --retries=3 \
    CMD ["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8787 && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && test \"$status\" = 200"]
ENTRYPOINT ["/usr/local/bin/zaki"]
CMD ["hub"]
