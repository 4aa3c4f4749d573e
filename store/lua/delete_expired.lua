-- Delete a finished job whose retention has ended, unless it was revived in the meantime.
-- Returns 1 if it was deleted, else 0.
local record, retention, callbacks, counters = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local FIRST_INDEX = 5 -- of the keys: the indexes that may hold the job
local job_id, now = ARGV[1], tonumber(ARGV[2])

local ends_at = redis.call('ZSCORE', retention, job_id)
if not ends_at or tonumber(ends_at) > now then return 0 end
local job = cjson.decode(redis.call('GET', record) or '{}')
if job.state then
  redis.call('HINCRBY', counters, 'jobs.' .. job.state .. '.' .. job.provider, -1)
end
redis.call('DEL', record, callbacks)
redis.call('ZREM', retention, job_id)
for i = FIRST_INDEX, #KEYS do redis.call('ZREM', KEYS[i], job_id) end
return 1
