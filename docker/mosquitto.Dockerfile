# The broker that the product is tested with: Debian's own. Its configuration and secrets are mounted.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends mosquitto mosquitto-clients \
 && rm -rf /var/lib/apt/lists/*
USER mosquitto
VOLUME /var/lib/mosquitto
EXPOSE 8883
CMD ["/usr/sbin/mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"]
