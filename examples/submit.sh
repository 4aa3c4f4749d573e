#!/bin/sh
# Submit a job, wait for its end and download the picture: submit.sh [REQUEST [FILE]]
set -eu
jobs=${API_URL:-http://localhost:8000}/v1/jobs
request=${1:-'{"provider": "acedata-flux", "prompt": "a lighthouse in a storm, oil on canvas"}'}
file=${2:-picture}

ask() {
  curl --silent --show-error --fail-with-body -H "Authorization: Bearer ${API_KEY:-}" "$@"
}

# Under its key, a request that is sent again makes no second job: curl may try as it likes.
job=$(ask --retry 5 --retry-all-errors "$jobs" -H 'Content-Type: application/json' \
  -H "Idempotency-Key: $(date +%s)-$$" --data "$request")
id=$(expr "$job" : '{"id":"\([^"]*\)"')
echo "$id"

# An answer comes at the job's end, or after 30 seconds with the job as it is.
while :; do
  job=$(ask "$jobs/$id?wait=30")
  state=$(expr "$job" : '{"id":"[^"]*","state":"\([a-z]*\)"')
  echo "$state"
  case $state in
    succeeded) break ;;
    failed | cancelled | unsaved) echo "$job" >&2; exit 1 ;;
  esac
done
ask "$jobs/$id/images/0" --output "$file"
echo "$file"
