#!/bin/sh
# What operators may tune, as policies of the vhost: sh policies.sh speechmq
# Never give the other queues a TTL, an expiry or a length: claims, starts or audio would vanish.
set -eu
vhost=${1:?name the vhost}

# Leaders of new queues are spread over the nodes.
rabbitmqctl set_policy -p "$vhost" --apply-to queues --priority 0 speechmq-spread-leaders \
    '^speechmq\.' '{"queue-leader-locator":"balanced"}'
# Dead letters keep to a gigabyte; the oldest go first.
rabbitmqctl set_policy -p "$vhost" --apply-to queues --priority 10 speechmq-dead-letters \
    '^speechmq\.dead$' \
    '{"queue-leader-locator":"balanced","max-length-bytes":1000000000,"overflow":"drop-head"}'
