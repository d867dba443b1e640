#!/bin/sh
# Starts the broker of this container, on what an earlier one left. Arguments change properties: `--override name=value`.
# It needs of the image /opt/kafka/bin and nothing else, and writes nowhere but into the data folder and /tmp.
set -eu
umask 077 # what is told of people is on this volume, and others mount it to see how full it is
properties=/etc/gatehouse/kafka/server.properties
# What an earlier release wrote, before it was so. Of a volume's lost+found, which is root's, it can only complain.
find /var/lib/kafka/data -user "$(id -u)" -perm /077 -exec chmod go= {} + || true

# What the scripts of Kafka write besides.
export LOG_DIR=/tmp
export KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile=/etc/gatehouse/kafka/log4j2.properties
# Of the broker alone: the storage tool is done before it starts.
heap=${KAFKA_HEAP_OPTS:--Xms256m -Xmx512m}

# A format that was cut short leaves no file of this name.
if [ ! -f /var/lib/kafka/data/meta.properties ]; then
    KAFKA_HEAP_OPTS=-Xmx128m /opt/kafka/bin/kafka-storage.sh format --standalone \
        --cluster-id "$KAFKA_CLUSTER_ID" --config "$properties"
fi
export KAFKA_HEAP_OPTS="$heap"
# It replaces itself: signals reach the broker.
exec /opt/kafka/bin/kafka-server-start.sh "$properties" "$@"
