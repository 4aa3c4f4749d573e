#!/bin/sh
# Submit a job, wait for its end and download the image: submit.sh [REQUEST [FILE]]
set -eu
jobs=${API_URL:-http://localhost:8000}/v1/jobs
request=${1:-'{"provider": "acedata-flux", "prompt": "a lighthouse in a storm, oil on canvas"}'}
file=${2:-image}

send() {
  curl --silent --show-error --fail-with-body -H "Authorization: Bearer ${API_KEY:-}" "$@"
}

# A repeated request with the same key creates no second job, so curl may retry.
job=$(send --retry 5 --retry-all-errors "$jobs" -H 'Content-Type: application/json' \
  -H "Idempotency-Key: $(date +%s)-$$" --data "$request")
id=$(expr "$job" : '{"id":"\([^"]*\)"')
echo "$id"

# The answer comes when the job has ended, or after 30 seconds with the job as it is.
while :; do
  job=$(send "$jobs/$id?wait=30")
  state=$(expr "$job" : '{"id":"[^"]*","state":"\([a-z]*\)"')
  echo "$state"
  case $state in
    succeeded) break ;;
    failed | cancelled | unsaved) echo "$job" >&2; exit 1 ;;
  esac
done
send "$jobs/$id/images/0" --output "$file"
echo "$file"
