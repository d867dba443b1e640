#!/bin/sh
# Starts the Alertmanager of this container. Whoever is called is told at the address in the secret `alert_webhook_url`; where that is
# empty nobody is, and alerts are only shown. It needs of the image `alertmanager` and a shell with sed.
set -eu
folder=/etc/gatehouse/alertmanager
settings=/tmp/alertmanager.yml
umask 077
# Neither a quote, which would end the text in YAML, nor what sed takes for something else, is taken for more than itself.
address=$(tr -d '[:space:]' </run/secrets/alert_webhook_url | sed "s/'/''/g; s/[&|\\\\]/\\\\&/g")
if [ -n "$address" ]; then
    sed "s|ALERT_WEBHOOK_URL|$address|" "$folder/alertmanager.yml" >"$settings"
else
    echo 'alert_webhook_url is empty: nobody is called' >&2
    sed '/ALERT_WEBHOOK_URL/d' "$folder/alertmanager.yml" >"$settings"
fi
# It replaces itself: signals reach it. There is one of it, so it looks for no others.
exec alertmanager --config.file="$settings" --storage.path=/alertmanager --cluster.listen-address= "$@"
