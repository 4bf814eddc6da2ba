# tagger with its networks, to scan /photos into /inventory/inventory.db once and end.
FROM python:3.13-slim AS build

WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY tagger tagger
COPY models models
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
  && python -m venv /opt/tagger \
  && /opt/tagger/bin/pip install --no-cache-dir -c constraints.txt /wheels/*.whl


FROM python:3.13-slim

RUN useradd --uid 10001 --create-home tagger \
  && install -d -o tagger -g tagger /inventory /photos
COPY --from=build /opt/tagger /opt/tagger

ENV PATH=/opt/tagger/bin:$PATH \
    TAGGER_DB=/inventory/inventory.db
VOLUME ["/inventory", "/photos"]
WORKDIR /inventory
USER 10001
ENTRYPOINT ["tagger"]
CMD ["scan", "/photos"]
