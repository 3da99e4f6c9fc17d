# A finished run as a service: pinned packages, a user without rights, nothing written but the records.
FROM python:3.11-slim AS build
ARG EXTRAS=postgresql
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN python -m venv /opt/cardiograph \
 && /opt/cardiograph/bin/pip install --no-cache-dir -c constraints.txt ".[$EXTRAS]"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin cardiograph \
 && install -d -o cardiograph -g cardiograph -m 0700 /records
COPY --from=build /opt/cardiograph /opt/cardiograph
ENV PYTHONDONTWRITEBYTECODE=1 \
    CARDIOGRAPH_DATABASE=/records/records.sqlite
USER 10001
VOLUME /records
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["/opt/cardiograph/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["/opt/cardiograph/bin/cardiograph"]
CMD ["serve", "/run/model", "--host", "0.0.0.0"]
