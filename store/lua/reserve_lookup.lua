-- Reserve the next free time for a status request, so that no second has more than the limit. A job
-- that has to wait keeps its time until it asks again; one that never does gives it up after a while.
-- Jobs that one request can ask about share a time.
-- Returns the milliseconds to wait; 0: now.
local latest, waiting = KEYS[1], KEYS[2]
local job, now = ARGV[1], tonumber(ARGV[2])
local per_second, jobs_per_request = tonumber(ARGV[3]), tonumber(ARGV[4])
local SECOND, MINUTE = 1000, 60000

redis.call('ZREMRANGEBYSCORE', waiting, '-inf', now - MINUTE)
local slot = tonumber(redis.call('ZSCORE', waiting, job) or 0)
if slot > now then return math.ceil(slot - now) end
if slot > 0 then
  redis.call('ZREM', waiting, job)
  return 0
end
local last = tonumber(redis.call('LINDEX', latest, 0) or 0)
if last > now and redis.call('ZCOUNT', waiting, last, last) < jobs_per_request then
  redis.call('ZADD', waiting, last, job)
  return math.ceil(last - now)
end
local nth_latest = tonumber(redis.call('LINDEX', latest, per_second - 1) or 0)
slot = math.max(now, nth_latest + SECOND)
redis.call('LPUSH', latest, slot)
redis.call('LTRIM', latest, 0, per_second - 1)
if slot > now then redis.call('ZADD', waiting, slot, job) end
for _, key in ipairs({latest, waiting}) do redis.call('PEXPIRE', key, slot - now + MINUTE) end
return slot - now
