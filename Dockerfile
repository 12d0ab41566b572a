# One image per process: operator, agent, and server, which also runs the simulated cards.
# docs/reference/images.md tells how they are built and why the layers lie in this order.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

# What pyproject.toml asks for, one file per layer, so that an edit elsewhere in it installs nothing again.
FROM ${BASE} AS requirements
COPY pyproject.toml dev/gharial_cluster/images/requirements.py /source/
RUN python3 /source/requirements.py /source/pyproject.toml /requirements

# The project without its code, as a wheel: it brings the `gharial` command and puts /opt/gharial/src on Python's path.
FROM ${BASE} AS project
COPY --from=requirements /requirements/project /opt/gharial/src
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.pem \
    python3 -m venv /build && PIP_CONFIG_FILE=/run/secrets/pip.conf /build/bin/pip install -q --no-cache-dir hatchling \
    && cd /opt/gharial/src && /build/bin/python -m hatchling build --target wheel:editable --directory /wheels

# The int8 kernel, compiled by zig, which stays here. Only its own sources make it anew.
FROM ${BASE} AS kernel
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.pem \
    python3 -m venv /build && PIP_CONFIG_FILE=/run/secrets/pip.conf /build/bin/pip install -q --no-cache-dir ziglang
COPY server/gharial_asr/inference/native/build.py server/gharial_asr/inference/native/*.[ch] /kernel/
RUN /build/bin/python /kernel/build.py && rm /kernel/*.[ch] /kernel/build.py

# The secrets of the RUN lines below are optional: the builder's pip.conf (index, proxy) and its certificates.
FROM ${BASE} AS runtime
ENV PATH=/opt/gharial/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN python3 -m venv --without-pip /opt/gharial \
    && useradd --uid 65532 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin gharial
ENTRYPOINT ["gharial"]
COPY --from=requirements /requirements/base.txt /opt/gharial/requirements/
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.pem \
    PIP_CONFIG_FILE=/run/secrets/pip.conf pip --python /opt/gharial/bin/python install -q --no-cache-dir \
    -r /opt/gharial/requirements/base.txt

# --- operator and agent: no torch ---
FROM runtime AS control
COPY --from=requirements /requirements/control.txt /opt/gharial/requirements/
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.pem \
    PIP_CONFIG_FILE=/run/secrets/pip.conf pip --python /opt/gharial/bin/python install -q --no-cache-dir \
    -r /opt/gharial/requirements/control.txt
COPY --from=project /wheels /opt/gharial/requirements/
RUN pip --python /opt/gharial/bin/python install -q --no-cache-dir --no-deps /opt/gharial/requirements/*.whl
COPY cli/gharial_cli /opt/gharial/src/cli/gharial_cli
COPY server/gharial_wire /opt/gharial/src/server/gharial_wire
COPY operator/gharial_api /opt/gharial/src/operator/gharial_api

FROM control AS operator
COPY operator/gharial_operator /opt/gharial/src/operator/gharial_operator
RUN python3 -m compileall -q /opt/gharial/src
USER 65532:65532
CMD ["operator"]

FROM control AS agent
COPY operator/gharial_kube /opt/gharial/src/operator/gharial_kube
COPY operator/gharial_agent /opt/gharial/src/operator/gharial_agent
# The tool that the agent flashes simulated cards with; the cards themselves run in the server image.
COPY server/gharial_simcard/__init__.py server/gharial_simcard/flash_tool.py /opt/gharial/src/server/gharial_simcard/
RUN python3 -m compileall -q /opt/gharial/src
# Root, because the kubelet's plugin sockets, CDI files and cards of a node belong to root.
USER 0:0
CMD ["agent"]

# --- server and simulated cards ---
# With VARIANT=cpu (the default) torch comes without NVIDIA's libraries, and stubs take their place for the loader. Where
# TORCH_INDEX names an index of CPU wheels, torch wants none, and none are made.
FROM runtime AS torch
ARG TORCH_INDEX=
ARG VARIANT=cpu
COPY --from=requirements /requirements/torch.txt /opt/gharial/requirements/
COPY dev/gharial_cluster/images/slim /opt/gharial/requirements/slim
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.pem \
    cd /opt/gharial/requirements && site=$(echo /opt/gharial/lib/python3*/site-packages) \
    && install() { PIP_CONFIG_FILE=/run/secrets/pip.conf pip --python /opt/gharial/bin/python install -q --no-cache-dir \
    ${TORCH_INDEX:+--index-url $TORCH_INDEX} "$@"; } \
    && if [ "$VARIANT" = cpu ]; then \
    install --no-deps -r torch.txt && python3 -m slim requirements "$site" > torch-needs.txt \
    && install -r torch-needs.txt && python3 -m slim stubs "$site"; \
    else install -r torch.txt; fi \
    && python3 -c "import torch; torch.nn.LSTM(8, 8)(torch.zeros(1, 1, 8))"

FROM torch AS server
COPY --from=requirements /requirements/server.txt /opt/gharial/requirements/
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.pem \
    PIP_CONFIG_FILE=/run/secrets/pip.conf pip --python /opt/gharial/bin/python install -q --no-cache-dir \
    -r /opt/gharial/requirements/server.txt
COPY --from=project /wheels /opt/gharial/requirements/
RUN pip --python /opt/gharial/bin/python install -q --no-cache-dir --no-deps /opt/gharial/requirements/*.whl
COPY --from=kernel /kernel /opt/gharial/src/server/gharial_asr/inference/native
COPY models/starter /opt/gharial/models/starter
COPY cli/gharial_cli /opt/gharial/src/cli/gharial_cli
COPY server /opt/gharial/src/server
RUN python3 -m compileall -q /opt/gharial/src
USER 65532:65532
CMD ["serve"]
