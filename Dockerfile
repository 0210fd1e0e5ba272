# Both commands in one image, static, without a shell, for a read-only root file system:
#
#   docker build -t eventfeed:devel .
#   docker run --rm eventfeed:devel feedserver --help
#   docker run --rm eventfeed:devel seeder --help
#
# A release says what it is: --build-arg VERSION=1.2.0 --build-arg COMMIT=… --build-arg DATE=…

FROM --platform=$BUILDPLATFORM golang:1.26-trixie AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
ARG VERSION=devel COMMIT DATE
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w $(scripts/ldflags "$VERSION" "$COMMIT" "$DATE")" \
    -o /out/bin/ ./cmd/feedserver ./cmd/seeder && \
    scripts/notices >/out/THIRD-PARTY-LICENSES && \
    mkdir /out/data

FROM scratch
ARG VERSION=devel COMMIT
LABEL org.opencontainers.image.title=eventfeed \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$COMMIT
# For feeds and databases behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/LICENSE /out/THIRD-PARTY-LICENSES /
COPY --from=build /out/bin/ /usr/local/bin/
# For SQLite: a new volume here belongs to the user. PostgreSQL needs no place to write.
COPY --from=build --chown=65532:65532 /out/data /data
WORKDIR /data
USER 65532:65532
# In a container the loopback address would be reached by nobody.
ENV PATH=/usr/local/bin EVENTFEED_LISTEN=:8080
EXPOSE 8080
CMD ["feedserver", "--help"]
