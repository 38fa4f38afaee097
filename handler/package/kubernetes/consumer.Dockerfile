# The consumer of tests/consumers in Python, as 30-consumer.yaml runs it.  Build from the top of the tree:
#   docker build -f handler/package/kubernetes/consumer.Dockerfile -t tickstream-consumer:0.1.0 .
FROM debian:trixie-slim
RUN apt-get update -qq \
 && apt-get install -qq --no-install-recommends python3-redis \
 && rm -rf /var/lib/apt/lists/*
COPY tests/consumers/consumer.py /usr/local/bin/consumer.py
USER 65532:65532
ENTRYPOINT ["/usr/bin/python3", "-u", "/usr/local/bin/consumer.py"]
