-- Begin or prolong a pause after a refusal that the next job would meet as well.
-- It ends by itself: then one job tries, and if that is refused, the pause is twice as long.
-- Returns when the pause ends; '' as long as there were too few refusals in a row for one.
local pauses, failures = KEYS[1], KEYS[2]
local field, job_id, reason = ARGV[1], ARGV[2], ARGV[3]
local now, first_pause_s, max_pause_s = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local min_failures, window_s = tonumber(ARGV[7]), tonumber(ARGV[8])

local function count_failure()
  local count, since = string.match(redis.call('HGET', failures, field) or '', '^(%d+) (%S+)$')
  if not count or tonumber(since) <= now - window_s then count, since = 0, now end
  return tonumber(count) + 1, since
end

local known = redis.call('HGET', pauses, field)
local pause = known and cjson.decode(known)
if not pause then
  local count, since = count_failure()
  if count < min_failures then
    redis.call('HSET', failures, field, count .. ' ' .. since)
    return ''
  end
  redis.call('HDEL', failures, field)
  pause = {reason = reason, author = '', since = now, pause_s = first_pause_s}
elseif pause.tried_by == job_id or pause['until'] <= now then
  pause.pause_s = math.min(2 * pause.pause_s, max_pause_s)
else
  return tostring(pause['until']) -- a job that was sent before the pause began
end
pause.reason, pause.tried_by = reason, nil
pause['until'] = now + pause.pause_s
redis.call('HSET', pauses, field, cjson.encode(pause))
return tostring(pause['until'])
