#!/bin/sh
# kafka-run.sh CLASS ARGUMENT…: what both programs do. One small node needs no collector threads.
# shellcheck disable=SC2086
exec java $KAFKA_HEAP_OPTS -XX:+UseSerialGC -XX:TieredStopAtLevel=1 $KAFKA_LOG4J_OPTS -cp '/opt/kafka/libs/*' "$@"
